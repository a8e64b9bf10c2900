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
#include <vector>

#include "rollout/request.h"

namespace serin::rollout {

class KeyTable {
 public:
  explicit KeyTable(std::size_t capacity = kCapacity) : capacity_(capacity) {}

  // What is remembered of a key.
  struct Seen {
    std::uint32_t had = 0;    // a bit for each metric in which the key had an event
    std::uint32_t last = 0;   // the same for its last request in its present arm
    std::uint8_t number = 0;  // of its requests in that arm, kMostNumber and beyond alike
    Arm arm = Arm::kStable;

    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.had, self.last, self.number, self.arm);
    }
  };
  // Owned by the table, valid until the next call; null for a key that was given up. `first`: this
  // is its first request.
  struct Key {
    Seen* seen = nullptr;
    bool first = false;
  };
  // A request of `key`, a hash, whose bits are uniform.
  Key see(std::uint64_t key, Arm arm);

  template <class Archive>
  static void fields(const KeyTable& self, Archive& archive) {
    archive(self.most_, self.sorted());
  }
  template <class Archive>
  static void fields(KeyTable& self, Archive& archive) {
    std::vector<Entry> entries;
    archive(self.most_, entries);
    if (!self.take(entries)) archive.set_bad();
  }

  static constexpr std::size_t kCapacity = std::size_t{1} << 18;
  static constexpr std::uint8_t kMostNumber = 255;

 private:
  struct Entry {
    std::uint64_t key = 0;
    Seen seen;

    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.key, self.seen);
    }
  };

  void forget_half();
  std::vector<Entry> sorted() const;
  bool take(const std::vector<Entry>& entries);  // false when they are not a table's

  std::size_t capacity_;
  std::uint64_t most_ = ~std::uint64_t{0};  // a greater key is not counted
  std::unordered_map<std::uint64_t, Seen> seen_;
};

}  // namespace serin::rollout
