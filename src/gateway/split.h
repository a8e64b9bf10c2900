// SPDX-License-Identifier: Apache-2.0
// Which arm of a split a request belongs to, without cookies: a key goes to the candidate when its
// hash, with the rollout's salt, is less than the candidate's weight. As the weight grows keys move
// once and never back; at weight 0 all are where they were; another salt deals them anew. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/config.h"
#include "rollout/request.h"

namespace serin::gateway {

struct Assignment {
  rollout::Arm arm = rollout::Arm::kStable;  // for which it is evidence; in a shadow, by a copy
  // Of the key, independent of the arm; rollout::Request::kOwnKey where the request is its own.
  std::uint64_t key = rollout::Request::kOwnKey;
};

// `user`: empty where nobody is known, or requests are assigned one by one. `random`: of this
// request, uniform.
Assignment assign(const Split& split, std::string_view user, std::uint64_t random);

// What the evidence calls a user during the rollout; kOwnKey without a name.
std::uint64_t evidence_key(const Split& split, std::string_view user);

// 0 to 1, without 1.
inline double unit_interval(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace serin::gateway
