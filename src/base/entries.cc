// SPDX-License-Identifier: Apache-2.0
#include "base/entries.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace serin {

std::vector<Entry> entries_of(std::string_view text) {
  std::vector<Entry> entries;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, std::min(text.find('#'), end)));
    text.remove_prefix(std::min(end + 1, text.size()));
    std::erase_if(line, [](unsigned char c) { return std::isspace(c); });
    if (!line.empty()) entries.push_back({number, std::move(line)});
  }
  return entries;
}

}  // namespace serin
