// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_login.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/base64.h"
#include "base/files.h"
#include "base/json_members.h"
#include "base/subprocess.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::chrono::seconds kHelperMayTake{30};
constexpr std::uint64_t kLargestFile = 1 << 20;

// What a file calls a registry: the most exact first ("host/a/b", "host/a", "host"), then as
// `docker login` has written it.
std::vector<std::string> keys_for(const OciReference& reference) {
  std::vector<std::string> keys;
  std::string key = reference.host + "/" + reference.repository;
  for (std::size_t slash = key.size(); slash != std::string::npos; slash = key.rfind('/')) {
    key.resize(slash);
    keys.push_back(key);
  }
  const bool hub = reference.host == "docker.io";
  keys.push_back(hub ? "https://index.docker.io/v1/" : "https://" + reference.host);
  return keys;
}

Result<OciLogin> read_entry(const json::object& entry, const std::string& key) {
  OciLogin login;
  login.identity_token = text_of(member(entry, "identitytoken"));
  const std::string_view encoded = text_of(member(entry, "auth"));
  if (encoded.empty()) return login;
  SERIN_TRY_ASSIGN(const std::string decoded, from_base64(encoded));
  const std::size_t colon = decoded.find(':');
  if (colon == std::string::npos)
    return invalid("has an entry for " + key + " without user and password");
  login.user = decoded.substr(0, colon);
  login.password = decoded.substr(colon + 1);
  return login;
}

// A name that becomes part of a program's.
bool is_helper(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Result<OciLogin> ask_helper(const LoginEntry& entry, const CancelToken& cancel) {
  if (!is_helper(entry.helper))
    return invalid("names a credential helper that is none: " + printable(entry.helper));
  Command command;
  command.arguments = {"docker-credential-" + entry.helper, "get"};
  command.input = entry.helper_host;
  auto exit = run_command(std::move(command), kHelperMayTake, cancel);
  if (!exit) return fail(std::move(exit).error().within("docker-credential-" + entry.helper));
  if (exit->cancelled)
    return fail(Code::kCancelled, "cancelled while docker-credential-" + entry.helper + " ran");
  if (exit->timed_out)
    return fail(Code::kDeadlineExceeded, "docker-credential-" + entry.helper +
                                             " gave no answer within " +
                                             std::to_string(kHelperMayTake.count()) + " s");
  if (exit->ok()) return login_of_helper(exit->output);
  // The one answer that is no failure, in the words that all helpers share.
  if (exit->output.find("credentials not found") != std::string::npos) return OciLogin();
  const std::string said = exit->output.empty() ? exit->errors : exit->output;
  return fail(Code::kUnauthenticated, "docker-credential-" + entry.helper + " gave no login for " +
                                          entry.helper_host + ": " + printable(trimmed(said)));
}

}  // namespace

Result<LoginEntry> login_in(std::string_view auth_json, const OciReference& reference) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(auth_json));
  const json::object* root = document.if_object();
  if (root == nullptr) return invalid("is no JSON object");
  LoginEntry entry;
  const std::vector<std::string> keys = keys_for(reference);
  const json::value* auths = member(*root, "auths");
  const json::value* helpers = member(*root, "credHelpers");
  entry.helper = text_of(member(*root, "credsStore"));
  entry.helper_host = reference.host == "docker.io" ? keys.back() : reference.host;
  for (const std::string& key : keys) {
    const json::value* own = member(helpers, key);
    if (own == nullptr) continue;
    entry.helper = text_of(own);
    entry.helper_host = key;
    break;
  }
  for (const std::string& key : keys) {
    const json::object* one = object_of(member(auths, key));
    if (one == nullptr) continue;
    SERIN_TRY_ASSIGN(entry.login, read_entry(*one, key));
    if (!entry.login.empty()) break;
  }
  return entry;
}

Result<OciLogin> login_of_helper(std::string_view output) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(output));
  if (!document.is_object()) return invalid("the credential helper printed no JSON object");
  const std::string user(text_of(member(document, "Username")));
  const std::string secret(text_of(member(document, "Secret")));
  if (user == "<token>") return OciLogin{{}, {}, secret};
  return OciLogin{user, secret, {}};
}

Result<OciLogin> registry_login(const OciReference& reference, const Environment& environment,
                                const CancelToken& cancel) {
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
    const auto text = read_file(file, kLargestFile);
    if (!text) continue;
    auto entry = login_in(*text, reference);
    if (!entry) return fail(std::move(entry).error().within(file));
    if (!entry->helper.empty()) {
      auto login = ask_helper(*entry, cancel);
      if (!login) return fail(std::move(login).error().within(file));
      if (!login->empty()) return login;
    }
    if (!entry->login.empty()) return entry->login;
  }
  return OciLogin();
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
