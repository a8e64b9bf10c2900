// SPDX-License-Identifier: Apache-2.0
#include "gateway/policy/fallback.h"

#include <algorithm>

namespace serin::gateway {
namespace {

bool among(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

std::optional<Fallback> next_fallback(const FallbackRules& rules, const Visited& visited,
                                      const std::vector<std::string_view>& versions) {
  if (rules.other_version) {
    for (const std::string_view label : versions) {
      if (!label.empty() && !among(visited.versions, label)) return ToVersion{std::string(label)};
    }
  }
  if (!rules.service.empty() && !among(visited.services, rules.service) &&
      visited.services.size() < kMostServices)
    return ToService{rules.service};
  if (rules.answer) return *rules.answer;
  return std::nullopt;
}

}  // namespace serin::gateway
