// SPDX-License-Identifier: Apache-2.0
// Which replica of a version a try goes to. Pure: what is random or counted is given.
//
// leastRequest: the less busy of two that are drawn. roundRobin: in turn. prefixAware: the replica
// that a prompt's beginning belongs to (rendezvous hashing, so that few prompts move when replicas
// come and go), unless it is busier than others by more than kPrefixLoad.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "gateway/config.h"

namespace serin::gateway {

struct Choice {
  std::uint64_t id_hash = 0;  // of the replica's id
  std::uint32_t in_flight = 0;
  bool open = true;    // policies let requests go to it
  bool tried = false;  // this request was there already
};

// A replica may have so many times the mean of requests in flight, and one more, before a prompt
// goes to its second place.
constexpr double kPrefixLoad = 1.25;
// So much of a prompt is its prefix: conversations that begin alike share a cache.
constexpr std::size_t kPrefixBytes = 512;

struct Draw {
  std::uint64_t random = 0;
  std::uint64_t turn = 0;               // grows by one with each pick of the version
  std::optional<std::uint64_t> prefix;  // hash of the prompt's beginning
};

// The place in `choices`; nullopt where there are none. A replica that was tried is chosen only
// when all were; where policies have closed all, they are as good as open.
std::optional<std::size_t> pick(Resilience::Balancer balancer, std::span<const Choice> choices,
                                const Draw& draw);

}  // namespace serin::gateway
