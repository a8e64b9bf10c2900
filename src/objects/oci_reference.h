// SPDX-License-Identifier: Apache-2.0
// oci://HOST[:PORT]/REPOSITORY[:TAG|@sha256:HEX], and the credentials that other tools have left
// for a registry. Pure but for the environment and the files that it names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "objects/http.h"

namespace serin::objects {

struct OciReference {
  std::string host;        // with its port
  std::string repository;  // "models/glyphs"
  std::string tag;         // "latest" when the URL names neither tag nor digest
  std::string digest;      // "sha256:…"; then `tag` is empty

  const std::string& name() const { return digest.empty() ? tag : digest; }
};
Result<OciReference> parse_oci_url(std::string_view url);

// "sha256:" and 64 lower-case hex digits.
bool is_oci_digest(std::string_view text);

// Whether to speak without TLS: with this machine itself, and with the hosts in
// SERIN_PLAIN_HTTP_REGISTRIES (separated by commas).
bool is_plain_http(const OciReference& reference, const Environment& environment);

// "user:password" for a registry from the first file there is: REGISTRY_AUTH_FILE,
// $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json,
// $DOCKER_CONFIG/config.json,
// ~/.docker/config.json. Empty without an entry; kUnimplemented where the entry is a credential
// helper, which is not run.
Result<std::string> registry_login(const OciReference& reference, const Environment& environment);
// The same from the text of such a file; unset where it says nothing of this registry.
Result<std::optional<std::string>> login_in(std::string_view auth_json,
                                            const OciReference& reference);

// WWW-Authenticate: Bearer realm="…",service="…",scope="…".
struct BearerChallenge {
  std::string realm, service, scope;
};
std::optional<BearerChallenge> parse_bearer_challenge(std::string_view header);

}  // namespace serin::objects
