// SPDX-License-Identifier: Apache-2.0
#include "telemetry/merge.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace serin::telemetry {
namespace {

struct Family {
  std::string said;  // HELP and TYPE, as the first text has them
  std::string series;
};

// "serin_up" of "# HELP serin_up What it is."
std::string_view family_of(std::string_view comment) {
  const std::size_t name = comment.find(' ', 2) + 1;
  return comment.substr(name, comment.find(' ', name) - name);
}

void take(std::string_view text, std::map<std::string, Family, std::less<>>& families) {
  std::string current;
  bool known = false;  // by an earlier text
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (!line.starts_with("# ")) {
      families[current].series += line;
      continue;
    }
    if (const std::string_view name = family_of(line); name != current) {
      current = std::string(name);
      known = families.contains(current);
    }
    if (!known) families[current].said += line;
  }
}

}  // namespace

std::string merge_expositions(const std::vector<std::string>& texts) {
  std::map<std::string, Family, std::less<>> families;
  for (const std::string& text : texts) take(text, families);
  std::string merged;
  for (const auto& [name, family] : families) merged += family.said + family.series;
  return merged;
}

}  // namespace serin::telemetry
