// SPDX-License-Identifier: Apache-2.0
#include "engine/loops/stop.h"

#include <algorithm>
#include <utility>

namespace serin::engine {
namespace {

// How many bytes at the end of `text` are the beginning of `stop`, without being all of it.
std::size_t overlap(std::string_view text, std::string_view stop) {
  for (std::size_t size = std::min(text.size(), stop.size() - 1); size > 0; --size) {
    if (text.substr(text.size() - size) == stop.substr(0, size)) return size;
  }
  return 0;
}

}  // namespace

StopFinder::StopFinder(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");
}

std::string StopFinder::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  std::size_t found = std::string::npos;
  for (const auto& stop : stops_) found = std::min(found, held_.find(stop));
  if (found != std::string::npos) {
    stopped_ = true;
    held_.resize(found);
    return std::exchange(held_, {});
  }
  std::size_t hold = 0;
  for (const auto& stop : stops_) hold = std::max(hold, overlap(held_, stop));
  std::string certain = held_.substr(0, held_.size() - hold);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopFinder::flush() { return std::exchange(held_, {}); }

}  // namespace serin::engine
