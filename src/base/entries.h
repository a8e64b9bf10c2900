// SPDX-License-Identifier: Apache-2.0
// Files of one entry a line that people keep by hand: hashes of keys, secrets. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace serin {

struct Entry {
  std::size_t line = 0;  // from 1
  std::string text;
};

// Without comments, which # begins, white space, and lines that have nothing else.
std::vector<Entry> entries_of(std::string_view text);

}  // namespace serin
