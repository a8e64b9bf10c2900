// SPDX-License-Identifier: Apache-2.0
#include "net/http/router.h"

#include <algorithm>

#include "base/check.h"

namespace serin::net {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

struct Segment {
  std::string_view parameter;  // empty for a literal
  std::string_view suffix;     // the literal, or what follows the parameter
};

Segment read_segment(std::string_view pattern) {
  if (!pattern.starts_with('{')) return {{}, pattern};
  const std::size_t close = pattern.find('}');
  SERIN_CHECK(close != std::string_view::npos && close > 1);
  return {pattern.substr(1, close - 1), pattern.substr(close + 1)};
}

bool fits(const Segment& segment, std::string_view text) {
  if (segment.parameter.empty()) return text == segment.suffix;
  return text.size() > segment.suffix.size() && text.ends_with(segment.suffix);
}

// Of two patterns that fit, the one that is literal earlier wins; then the longer literal after a
// parameter.
bool more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Segment left = read_segment(a[i]);
    const Segment right = read_segment(b[i]);
    if (left.parameter.empty() != right.parameter.empty()) return left.parameter.empty();
    if (left.suffix.size() != right.suffix.size()) return left.suffix.size() > right.suffix.size();
  }
  return false;
}

bool fits_all(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i)
    if (!fits(read_segment(pattern[i]), path[i])) return false;
  return true;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, RouteHandler handler) {
  SERIN_CHECK(pattern.starts_with('/'));
  Route route{std::string(method), {}, std::move(handler)};
  for (const std::string_view segment : split(pattern)) {
    read_segment(segment);
    route.segments.emplace_back(segment);
  }
  for (const Route& other : routes_)
    SERIN_CHECK(other.method != route.method || other.segments != route.segments);
  routes_.push_back(std::move(route));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match found;
  if (!path.starts_with('/')) return found;
  const std::vector<std::string_view> segments = split(path);
  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (!fits_all(route.segments, segments)) continue;
    if (route.method != method) {
      found.allowed.push_back(route.method);
    } else if (best == nullptr || more_literal(route.segments, best->segments)) {
      best = &route;
    }
  }
  if (best == nullptr) {
    std::sort(found.allowed.begin(), found.allowed.end());
    found.allowed.erase(std::unique(found.allowed.begin(), found.allowed.end()),
                        found.allowed.end());
    return found;
  }
  found.allowed.clear();
  found.handler = &best->handler;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment segment = read_segment(best->segments[i]);
    if (segment.parameter.empty()) continue;
    const std::string_view value =
        segments[i].substr(0, segments[i].size() - segment.suffix.size());
    found.parameters.emplace(segment.parameter, value);
  }
  return found;
}

}  // namespace serin::net
