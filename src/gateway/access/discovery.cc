// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/discovery.h"

#include "base/json.h"

namespace serin::gateway {
namespace {

constexpr std::string_view kHttps = "https://";

std::string_view text_at(const json::object& fields, std::string_view name) {
  const json::value* found = fields.if_contains(name);
  const json::string* text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

}  // namespace

std::string discovery_url(std::string_view issuer) {
  if (issuer.ends_with('/')) issuer.remove_suffix(1);
  return std::string(issuer) + "/.well-known/openid-configuration";
}

Result<std::string> discovered_jwks_uri(std::string_view document, std::string_view issuer,
                                        std::string_view where) {
  const std::string place(where);
  const auto parsed = parse_json(document);
  const json::object* fields = parsed ? parsed->if_object() : nullptr;
  if (fields == nullptr) return invalid(place + ": is no JSON object");
  const std::string_view named = text_at(*fields, "issuer");
  if (named != issuer)
    return invalid(place + ": is of the issuer \"" + std::string(named.substr(0, 200)) +
                   "\", not of \"" + std::string(issuer) + "\"");
  const std::string_view uri = text_at(*fields, "jwks_uri");
  if (!uri.starts_with(kHttps))
    return invalid(place + ": jwks_uri must be there and begin with https://");
  return std::string(uri);
}

}  // namespace serin::gateway
