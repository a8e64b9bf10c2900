// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_reference.h"

#include <algorithm>
#include <vector>

#include "base/base64.h"
#include "base/files.h"
#include "base/json.h"
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

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace

bool is_oci_digest(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") &&
         text.find_first_not_of("0123456789abcdef", 7) == std::string_view::npos;
}

Result<OciReference> parse_oci_url(std::string_view url) {
  const auto wrong = [&](const std::string& why) {
    return invalid("'" + printable(url) + "' " + why +
                   "; write oci://HOST/REPOSITORY[:TAG|@sha256:DIGEST]");
  };
  if (!url.starts_with(kScheme)) return wrong("does not begin with oci://");
  std::string_view rest = url.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return wrong("names no repository");
  OciReference reference;
  reference.host = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_oci_digest(reference.digest)) return wrong("has a digest that is no SHA-256");
  }
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    reference.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(reference.tag)) return wrong("has a tag that is none");
  }
  reference.repository = rest;
  if (!net::is_authority(reference.host)) return wrong("has a host that is none");
  if (!is_repository(reference.repository))
    return wrong("has a repository that is none (lower-case letters, digits, '.', '_', '-', '/')");
  if (!reference.digest.empty()) reference.tag.clear();
  if (reference.digest.empty() && reference.tag.empty()) reference.tag = "latest";
  return reference;
}

bool is_plain_http(const OciReference& reference, const Environment& environment) {
  const std::string host = host_without_port(reference.host);
  if (host == "localhost" || host == "127.0.0.1" || host == "[::1]") return true;
  std::string asked = "," + environment("SERIN_PLAIN_HTTP_REGISTRIES").value_or("") + ",";
  return asked.find("," + reference.host + ",") != std::string::npos;
}

Result<std::optional<std::string>> login_in(std::string_view auth_json,
                                            const OciReference& reference) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(auth_json));
  const json::object* root = document.if_object();
  if (root == nullptr) return invalid("is no JSON object");
  if (const json::value* helpers = root->if_contains("credHelpers");
      helpers != nullptr && helpers->is_object() && helpers->as_object().contains(reference.host)) {
    return fail(Code::kUnimplemented,
                "names a credential helper for " + reference.host +
                    ", and helpers are not run; log in with a password or token instead");
  }
  const json::value* auths = root->if_contains("auths");
  if (auths == nullptr || !auths->is_object()) return std::optional<std::string>();
  // "host/a/b", "host/a", "host": the most exact one.
  for (std::string key = reference.host + "/" + reference.repository;;) {
    const json::value* entry = auths->as_object().if_contains(key);
    if (entry != nullptr && entry->is_object()) {
      SERIN_TRY_ASSIGN(std::string login, from_base64(text_of(entry->as_object(), "auth")));
      if (login.find(':') == std::string::npos)
        return invalid("has an entry for " + key + " without user and password");
      return std::optional(std::move(login));
    }
    const std::size_t slash = key.rfind('/');
    if (slash == std::string::npos) return std::optional<std::string>();
    key.resize(slash);
  }
}

Result<std::string> registry_login(const OciReference& reference, const Environment& environment) {
  std::vector<std::string> files;
  const auto add = [&](const char* variable, const char* below) {
    if (const auto folder = environment(variable)) files.push_back(*folder + below);
  };
  add("REGISTRY_AUTH_FILE", "");
  add("XDG_RUNTIME_DIR", "/containers/auth.json");
  add("HOME", "/.config/containers/auth.json");
  add("DOCKER_CONFIG", "/config.json");
  add("HOME", "/.docker/config.json");
  for (const std::string& file : files) {
    const auto text = read_file(file, 1 << 20);
    if (!text) continue;
    auto login = login_in(*text, reference);
    if (!login) return fail(std::move(login).error().within(file));
    if (*login) return **std::move(login);
  }
  return std::string();
}

std::optional<BearerChallenge> parse_bearer_challenge(std::string_view header) {
  if (lower_case(header.substr(0, 7)) != "bearer ") return std::nullopt;
  BearerChallenge challenge;
  header.remove_prefix(7);
  while (!header.empty()) {
    const std::size_t equals = header.find("=\"");
    if (equals == std::string_view::npos) break;
    const std::size_t end = header.find('"', equals + 2);
    if (end == std::string_view::npos) break;
    const std::string name = lower_case(trimmed(header.substr(0, equals)));
    const std::string value(header.substr(equals + 2, end - equals - 2));
    if (name == "realm") challenge.realm = value;
    if (name == "service") challenge.service = value;
    if (name == "scope") challenge.scope = value;
    header.remove_prefix(end + 1);
    header.remove_prefix(std::min(header.find_first_not_of(", "), header.size()));
  }
  if (challenge.realm.empty()) return std::nullopt;
  return challenge;
}

}  // namespace serin::objects
