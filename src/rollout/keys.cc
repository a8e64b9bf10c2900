// SPDX-License-Identifier: Apache-2.0
#include "rollout/keys.h"

namespace serin::rollout {

KeyTable::Key KeyTable::see(std::uint64_t key) {
  while (events_.size() >= capacity_ && key <= most_ && !events_.contains(key)) forget_half();
  if (key > most_) return {};
  const auto [entry, first] = events_.try_emplace(key, 0);
  return {.counted = true, .first = first, .events = &entry->second};
}

void KeyTable::forget_half() {
  most_ /= 2;
  std::erase_if(events_, [this](const auto& entry) { return entry.first > most_; });
}

}  // namespace serin::rollout
