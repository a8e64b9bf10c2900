// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens that prove who somebody is (RFC 7519, signed as in RFC 7515, with the care that
// RFC 8725 asks for). The rule says which algorithms may be: the token only chooses among them, and
// a key verifies only what its own kind is for. Pure, safe from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "gateway/access/access_rules.h"
#include "gateway/access/jwk.h"

namespace serin::gateway {

struct JwtClaims {
  std::string issuer;
  std::string subject;  // may be empty
  std::int64_t expires = 0;
  json::object all;
};

// What a token says before anything of it is believed: for choosing a rule. Empty when it is no
// token.
std::string claimed_issuer(std::string_view token);
// kUnauthenticated with a reason: "invalid_token" (malformed, of another issuer or audience, not
// signed by one of the keys, not yet valid), "expired_token", "unknown_token_key" (its kid is none
// of the keys': newer keys may have it).
Result<JwtClaims> verify_jwt(std::string_view token, const JwtRule& rule, const JwkSet& keys,
                             std::chrono::system_clock::time_point now);

}  // namespace serin::gateway
