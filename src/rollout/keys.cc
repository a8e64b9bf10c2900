// SPDX-License-Identifier: Apache-2.0
#include "rollout/keys.h"

#include <algorithm>

namespace serin::rollout {

KeyTable::Key KeyTable::see(std::uint64_t key, Arm arm) {
  if (key > most_) return {};
  while (seen_.size() >= capacity_ && key <= most_ && !seen_.contains(key)) forget_half();
  if (key > most_) return {};
  const auto [entry, first] = seen_.try_emplace(key);
  Seen& seen = entry->second;
  if (seen.arm != arm) {
    seen.number = 0;
    seen.last = 0;
    seen.arm = arm;
  }
  if (seen.number < kMostNumber) ++seen.number;
  return {.seen = &seen, .first = first};
}

void KeyTable::forget_half() {
  most_ /= 2;
  std::erase_if(seen_, [this](const auto& entry) { return entry.first > most_; });
}

std::vector<KeyTable::Entry> KeyTable::sorted() const {
  std::vector<Entry> entries;
  entries.reserve(seen_.size());
  for (const auto& [key, seen] : seen_) entries.push_back({key, seen});
  std::ranges::sort(entries, {}, &Entry::key);
  return entries;
}

bool KeyTable::take(const std::vector<Entry>& entries) {
  if (entries.size() > capacity_) return false;
  seen_.clear();
  for (const Entry& entry : entries) {
    if (entry.key > most_ || !seen_.emplace(entry.key, entry.seen).second) return false;
  }
  return true;
}

}  // namespace serin::rollout
