// SPDX-License-Identifier: Apache-2.0
// Public keys that tokens are verified with, as a JSON Web Key Set (RFC 7517) has them: RSA of 2048
// bits or more, P-256, Ed25519. Immutable, safe from any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gateway/access/access_rules.h"

namespace serin::gateway {

class Jwk {
 public:
  const std::string& id() const { return id_; }  // "kid"; may be empty
  // Whether the key is of the kind that the algorithm needs, and its set does not say otherwise.
  bool good_for(JwtAlgorithm algorithm) const;
  // `signature` as in a token: for ES256 two numbers of 32 bytes.
  bool verifies(JwtAlgorithm algorithm, std::string_view message, std::string_view signature) const;

 private:
  friend class JwkSet;
  struct State;
  std::string id_;
  std::vector<JwtAlgorithm> algorithms_;
  std::shared_ptr<const State> state_;
};

class JwkSet {
 public:
  // kInvalidArgument, naming `where`, when it is no set or none of its keys can verify anything.
  // Keys of other kinds and for other uses are passed over, as RFC 7517 section 5 asks.
  static Result<JwkSet> parse(std::string_view text, std::string_view where);

  const std::vector<Jwk>& keys() const { return keys_; }

 private:
  std::vector<Jwk> keys_;
};

}  // namespace serin::gateway
