// SPDX-License-Identifier: Apache-2.0
#include "objects/azure_settings.h"

#include <algorithm>
#include <map>

#include "base/base64.h"
#include "base/hmac.h"
#include "net/http/uri.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

// "A=b;C=d==;" as a map.
std::map<std::string, std::string, std::less<>> parse_connection_string(std::string_view text) {
  std::map<std::string, std::string, std::less<>> fields;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view field = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = field.find('=');
    if (equals != std::string_view::npos)
      fields.emplace(field.substr(0, equals), field.substr(equals + 1));
  }
  return fields;
}

std::string header_of(const HttpRequest& request, std::string_view lower_name) {
  for (const auto& [name, value] : request.headers) {
    if (lower_case(name) == lower_name) return value;
  }
  return {};
}

std::string canonical_headers(const HttpRequest& request) {
  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : request.headers) {
    if (const std::string lower = lower_case(name); lower.starts_with("x-ms-"))
      sorted[lower] = trimmed(value);
  }
  std::string text;
  for (const auto& [name, value] : sorted) text += name + ":" + value + "\n";
  return text;
}

// "/account/path" and a line for each parameter, sorted, decoded.
std::string canonical_resource(std::string_view url, std::string_view account) {
  const std::size_t path = url.find('/', url.find("://") + 3);
  const std::size_t query = std::min(url.find('?'), url.size());
  std::string text = "/" + std::string(account);
  text += path < query ? url.substr(path, query - path) : std::string_view("/");
  std::map<std::string, std::string> sorted;
  for (std::size_t at = query + 1; at < url.size();) {
    const std::size_t end = std::min(url.find('&', at), url.size());
    const std::string_view pair = url.substr(at, end - at);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    sorted[lower_case(pair.substr(0, equals))] =
        net::percent_decode(pair.substr(std::min(equals + 1, pair.size()))).value_or("");
    at = end + 1;
  }
  for (const auto& [name, value] : sorted) text += "\n" + name + ":" + value;
  return text;
}

}  // namespace

Result<AzureSettings> azure_settings_from(const Environment& environment,
                                          std::string_view account) {
  const auto fields =
      parse_connection_string(environment("AZURE_STORAGE_CONNECTION_STRING").value_or(""));
  const auto field = [&](std::string_view name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  std::string named = field("AccountName");
  if (named.empty()) named = environment("AZURE_STORAGE_ACCOUNT").value_or("");
  if (!named.empty() && named != account) {
    return invalid("the environment's Azure account is '" + printable(named) + "', the URL's is '" +
                   printable(account) + "'");
  }
  std::string key = field("AccountKey");
  if (key.empty()) key = environment("AZURE_STORAGE_KEY").value_or("");
  AzureSettings settings;
  auto decoded = from_base64(key);
  if (!decoded)
    return fail(std::move(decoded).error().within("the Azure account key (AZURE_STORAGE_KEY)"));
  settings.key = *std::move(decoded);
  settings.sas = field("SharedAccessSignature");
  if (settings.sas.empty()) settings.sas = environment("AZURE_STORAGE_SAS_TOKEN").value_or("");
  if (settings.sas.starts_with('?')) settings.sas.erase(0, 1);
  settings.endpoint = field("BlobEndpoint");
  if (settings.endpoint.empty())
    settings.endpoint = environment("AZURE_STORAGE_BLOB_ENDPOINT").value_or("");
  return settings;
}

std::string azure_authorization(const HttpRequest& request, std::string_view account,
                                std::string_view key) {
  const std::uint64_t length = request.body ? request.body->size() : 0;
  std::string text = request.method;
  for (const std::string& line :
       {header_of(request, "content-encoding"), header_of(request, "content-language"),
        length == 0 ? std::string() : std::to_string(length), header_of(request, "content-md5"),
        header_of(request, "content-type"), header_of(request, "date"),
        header_of(request, "if-modified-since"), header_of(request, "if-match"),
        header_of(request, "if-none-match"), header_of(request, "if-unmodified-since"),
        header_of(request, "range")})
    text += "\n" + line;
  text += "\n" + canonical_headers(request) + canonical_resource(request.url, account);
  return "SharedKey " + std::string(account) + ":" + to_base64(hmac_sha256(key, text));
}

}  // namespace serin::objects
