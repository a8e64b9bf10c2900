// SPDX-License-Identifier: Apache-2.0
#include "gateway/split.h"

#include "gateway/hash.h"

namespace serin::gateway {
namespace {

// What a key's place on the split and its name in the evidence are hashed with: the evidence must
// not know from a key on which side it is.
constexpr std::uint64_t kPlace = 1;
constexpr std::uint64_t kEvidence = 2;

}  // namespace

std::uint64_t evidence_key(const Split& split, std::string_view user) {
  if (user.empty()) return rollout::Request::kOwnKey;
  const std::uint64_t key = hash_bytes(user, hash_bytes(split.salt, kEvidence));
  return key == rollout::Request::kOwnKey ? 1 : key;
}

Assignment assign(const Split& split, std::string_view user, std::uint64_t random) {
  Assignment made;
  std::uint64_t place = random;
  if (split.sticky_by == StickyBy::kUser && !user.empty()) {
    place = hash_bytes(user, hash_bytes(split.salt, kPlace));
    made.key = evidence_key(split, user);
  }
  if (!split.candidate.empty() && unit_interval(place) < split.weight)
    made.arm = rollout::Arm::kCandidate;
  return made;
}

}  // namespace serin::gateway
