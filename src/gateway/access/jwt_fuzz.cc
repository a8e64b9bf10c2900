// SPDX-License-Identifier: Apache-2.0
// A token from a client, and a set of keys or a discovery document from a server: the input's first
// line is the token, the rest the set. Nothing that was not signed by the key that is always there
// may be believed.
#include "base/check.h"
#include "gateway/access/discovery.h"
#include "gateway/access/jwt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::gateway;
  // The public key of RFC 8037, A.2; the corpus has nothing that it signed and that is a JWT.
  static const JwkSet kKeys =
      JwkSet::parse(
          R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})",
          "keys")
          .value();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), size);
  const std::string_view token = input.substr(0, line);
  const JwtRule rule{
      .issuer = claimed_issuer(token), .audiences = {}, .jwks_uri = {}, .jwks_file = {}};
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'000'000'000)};
  SERIN_CHECK(!verify_jwt(token, rule, kKeys, now));
  const auto theirs = JwkSet::parse(input.substr(std::min(line + 1, size)), "keys");
  if (theirs) static_cast<void>(verify_jwt(token, rule, *theirs, now));
  const auto uri = discovered_jwks_uri(input, rule.issuer, "document");
  SERIN_CHECK(!uri || uri->starts_with("https://"));
  return 0;
}
