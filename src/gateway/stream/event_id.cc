// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream/event_id.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/digest.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kPackageDigits = 16;
constexpr std::size_t kProfileDigits = 8;
constexpr std::size_t kAnswerDigits = 24;
constexpr std::uint64_t kSeeds = std::uint64_t{1} << 63;

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_answer(std::string_view text) {
  for (const std::string_view prefix : {"chatcmpl-", "cmpl-"}) {
    if (text.starts_with(prefix)) return is_hex(text.substr(prefix.size()), kAnswerDigits);
  }
  return false;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end && (text.size() == 1 || text.front() != '0');
}

// The text cut at each '.'; false unless there are just so many parts.
template <std::size_t N>
bool cut(std::string_view text, std::array<std::string_view, N>& parts) {
  for (std::size_t i = 0; i < N; ++i) {
    const std::size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (i + 1 == N)) return false;
    parts[i] = text.substr(0, dot);
    text.remove_prefix(std::min(text.size(), parts[i].size() + 1));
  }
  return true;
}

}  // namespace

std::string write_event_id(const StreamPosition& position) {
  std::string id = position.package;
  id += '.';
  id += position.profile;
  id += '.';
  id += std::to_string(position.seed);
  id += '.';
  id += std::to_string(position.created);
  id += '.';
  id += position.answer;
  id += '.';
  id += std::to_string(position.events);
  return id;
}

std::optional<StreamPosition> read_event_id(std::string_view id) {
  std::array<std::string_view, 6> parts;
  if (!cut(id, parts)) return std::nullopt;
  const auto& [package, profile, seed, created, answer, events] = parts;
  StreamPosition position;
  const bool sound = is_hex(package, kPackageDigits) && is_hex(profile, kProfileDigits) &&
                     read_number(seed, position.seed) && position.seed < kSeeds &&
                     read_number(created, position.created) && position.created >= 0 &&
                     is_answer(answer) && read_number(events, position.events);
  if (!sound) return std::nullopt;
  position.package = package;
  position.profile = profile;
  position.answer = answer;
  return position;
}

std::string short_package(std::string_view digest) {
  return std::string(digest.substr(digest.find(':') + 1, kPackageDigits));
}

std::string short_profile(std::string_view profile) {
  return sha256_hex(profile).substr(0, kProfileDigits);
}

}  // namespace serin::gateway
