// SPDX-License-Identifier: Apache-2.0
// Who one is to a registry: the credentials that docker, podman or skopeo left on this machine, and
// what a registry says of where a token is to be had.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/error.h"
#include "objects/http.h"
#include "objects/oci_reference.h"

namespace serin::objects {

struct OciLogin {
  std::string user, password;
  std::string identity_token;  // exchanged for the registry's tokens, instead of a password

  bool empty() const { return user.empty() && password.empty() && identity_token.empty(); }
};

// From the first file that says something of the registry: REGISTRY_AUTH_FILE,
// $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json,
// $DOCKER_CONFIG/config.json, ~/.docker/config.json. Empty where none does. A credential helper
// that the file names (`credHelpers`, `credsStore`) is run: docker-credential-NAME, for at most
// half a minute.
Result<OciLogin> registry_login(const OciReference& reference, const Environment& environment,
                                const CancelToken& cancel);

// What one such file says of a registry.
struct LoginEntry {
  std::string helper;       // NAME; to be asked first
  std::string helper_host;  // what it is asked for
  OciLogin login;           // without a helper, or where the helper has nothing
};
Result<LoginEntry> login_in(std::string_view auth_json, const OciReference& reference);
// What a helper printed.
Result<OciLogin> login_of_helper(std::string_view output);

// WWW-Authenticate: Bearer realm="…",service="…",scope="…".
struct BearerChallenge {
  std::string realm, service, scope;
};
std::optional<BearerChallenge> parse_bearer_challenge(std::string_view header);

}  // namespace serin::objects
