// SPDX-License-Identifier: Apache-2.0
// Who may enter a service, as its configuration says it: the manifest's `access`. Values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::gateway {

// Signature algorithms of RFC 7518 and RFC 8037. There is no "none" and no shared secret.
enum class JwtAlgorithm : std::uint8_t { kRs256, kPs256, kEs256, kEdDsa };
std::string_view name_of(JwtAlgorithm algorithm);  // "RS256" and so on
Result<JwtAlgorithm> parse_algorithm(std::string_view name);

// Whose tokens are believed; Istio's JWTRule.
struct JwtRule {
  std::string issuer;                       // "iss" must be this
  std::vector<std::string> audiences = {};  // one of them must be in "aud"; empty: any
  std::string jwks_uri = {};                // where the keys are: https://… or http://…
  std::string jwks_file = {};               // or a file; of neither, the issuer itself says it
  std::vector<JwtAlgorithm> algorithms = {JwtAlgorithm::kRs256, JwtAlgorithm::kPs256,
                                          JwtAlgorithm::kEs256, JwtAlgorithm::kEdDsa};
  std::chrono::seconds leeway{60};  // by which clocks may differ
  bool operator==(const JwtRule&) const = default;
};

// Either kind of proof will do where both are asked for.
struct AccessRules {
  std::string key_file = {};  // empty: no API keys
  std::vector<JwtRule> jwt_rules = {};

  bool open() const { return key_file.empty() && jwt_rules.empty(); }
  bool operator==(const AccessRules&) const = default;
};

}  // namespace serin::gateway
