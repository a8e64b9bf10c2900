// SPDX-License-Identifier: Apache-2.0
// Which assignment keys a rollout has seen. Keys are what was assigned at random, so keys, and not
// requests, are what the tests may count as independent: a user who always fails, or asks a
// thousand times, must not count a thousand times.
//
// Bounded: when the table is full, the half of the keys with the greater hash is forgotten and
// never counted again. The hash knows nothing of arms or outcomes, so that costs evidence, not
// correctness.
#pragma once

#include <cstdint>
#include <unordered_map>

namespace serin::rollout {

class KeyTable {
 public:
  explicit KeyTable(std::size_t capacity = std::size_t{1} << 20) : capacity_(capacity) {}

  // What is known of one key; owned by the table, valid until the next call. `counted` is false for
  // a key that was given up.
  struct Key {
    bool counted = false;
    bool first = false;               // this is its first request
    std::uint32_t* events = nullptr;  // a bit for each metric in which the key had an event
  };
  // `key` is a hash: its bits are uniform.
  Key see(std::uint64_t key);

 private:
  void forget_half();

  std::size_t capacity_;
  std::uint64_t most_ = ~std::uint64_t{0};  // a greater key is not counted
  std::unordered_map<std::uint64_t, std::uint32_t> events_;
};

}  // namespace serin::rollout
