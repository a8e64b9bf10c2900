// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_reference.h"

#include <algorithm>

#include "net/http/uri.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::string_view kScheme = "oci://";
constexpr std::size_t kLongestName = 255;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Segments of lower-case letters and digits, with single '.', '_', '-' (or "__", "---") inside.
bool is_repository(std::string_view text) {
  if (text.empty() || text.size() > kLongestName) return false;
  char before = '/';
  for (const char c : text) {
    const bool separator = c == '.' || c == '_' || c == '-' || c == '/';
    if (!is_alphanumeric(c) && !separator) return false;
    if (separator && !is_alphanumeric(before) && (c == '/' || c == '.' || before == '/'))
      return false;
    before = c;
  }
  return is_alphanumeric(before);
}

bool is_tag(std::string_view text) {
  const auto word = [](char c) { return is_alphanumeric(c) || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && text.size() <= 128 && word(text[0]) &&
         std::ranges::all_of(text, [&](char c) { return word(c) || c == '.' || c == '-'; });
}

std::string host_without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const bool port =
      colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  return std::string(port ? host.substr(0, colon) : host);
}

// Docker Hub, whose own images have a name of one segment.
constexpr std::string_view kDockerHub = "docker.io";

bool is_host(std::string_view segment) {
  return segment == "localhost" || segment.find_first_of(".:") != std::string_view::npos;
}

// REPOSITORY[:TAG|@DIGEST]; what is wrong with it.
std::string read_repository(std::string_view rest, OciReference& reference) {
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_oci_digest(reference.digest)) return "has a digest that is no SHA-256";
  }
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    reference.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(reference.tag)) return "has a tag that is none";
  }
  reference.repository = rest;
  if (reference.host == "index.docker.io") reference.host = kDockerHub;
  if (reference.host == kDockerHub && rest.find('/') == std::string_view::npos)
    reference.repository.insert(0, "library/");
  if (!is_repository(reference.repository))
    return "has a repository that is none (lower-case letters, digits, '.', '_', '-', '/')";
  if (!reference.digest.empty()) reference.tag.clear();
  if (reference.digest.empty() && reference.tag.empty()) reference.tag = "latest";
  return {};
}

}  // namespace

bool is_oci_digest(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") &&
         text.find_first_not_of("0123456789abcdef", 7) == std::string_view::npos;
}

std::string OciReference::text() const {
  return (host.empty() ? "" : host + "/") + repository + (digest.empty() ? ":" : "@") + name();
}

std::string OciReference::api_host() const {
  return host == kDockerHub ? "registry-1.docker.io" : host;
}

Result<OciReference> parse_oci_url(std::string_view url) {
  const auto wrong = [&](const std::string& why) {
    return invalid("'" + printable(url) + "' " + why +
                   "; write oci://HOST/REPOSITORY[:TAG|@sha256:DIGEST]");
  };
  if (!url.starts_with(kScheme)) return wrong("does not begin with oci://");
  const std::string_view rest = url.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return wrong("names no repository");
  OciReference reference;
  reference.host = rest.substr(0, slash);
  if (!net::is_authority(reference.host)) return wrong("has a host that is none");
  const std::string problem = read_repository(rest.substr(slash + 1), reference);
  if (!problem.empty()) return wrong(problem);
  return reference;
}

Result<OciReference> parse_image_name(std::string_view text) {
  if (text.starts_with(kScheme)) return parse_oci_url(text);
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos && is_host(text.substr(0, slash)))
    return parse_oci_url(std::string(kScheme) + std::string(text));
  OciReference reference;
  const std::string problem = read_repository(text, reference);
  if (problem.empty()) return reference;
  return invalid("'" + printable(text) + "' " + problem +
                 "; write [HOST/]REPOSITORY[:TAG|@sha256:DIGEST]");
}

bool is_plain_http(const OciReference& reference, const Environment& environment) {
  const std::string host = host_without_port(reference.host);
  if (host == "localhost" || host == "127.0.0.1" || host == "[::1]") return true;
  std::string asked = "," + environment("SERIN_PLAIN_HTTP_REGISTRIES").value_or("") + ",";
  return asked.find("," + reference.host + ",") != std::string::npos;
}

}  // namespace serin::objects
