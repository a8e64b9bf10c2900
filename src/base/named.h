// SPDX-License-Identifier: Apache-2.0
// Tables of what names in documents stand for: pairs of a name and a value, each of them once.
// Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace serin {

// Null where the table does not have the name.
template <class Value, std::size_t N>
const Value* find_named(const std::pair<std::string_view, Value> (&table)[N],
                        std::string_view name) {
  const auto* found = std::ranges::find(table, name, [](const auto& pair) { return pair.first; });
  return found == std::end(table) ? nullptr : &found->second;
}

// Of a name that was checked to be in the table.
template <class Value, std::size_t N>
Value named(const std::pair<std::string_view, Value> (&table)[N], std::string_view name) {
  const Value* found = find_named(table, name);
  SERIN_CHECK(found != nullptr);
  return *found;
}

// The name of a value, all of which are in the table.
template <class Value, std::size_t N>
std::string_view name_in(const std::pair<std::string_view, Value> (&table)[N], Value value) {
  const auto* found = std::ranges::find(table, value, [](const auto& pair) { return pair.second; });
  SERIN_CHECK(found != std::end(table));
  return found->first;
}

}  // namespace serin
