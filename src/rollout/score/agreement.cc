// SPDX-License-Identifier: Apache-2.0
#include "rollout/score/agreement.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "rollout/score/utf8.h"

namespace serin::rollout {
namespace {

using Token = std::size_t;  // a hash

constexpr std::array<std::string_view, kNotComparedKinds> kNames = {
    "failed", "client_gone",   "too_long",      "unknown_form",
    "limit",  "streamed_body", "not_repeatable"};

// Letters and digits of scripts that put spaces between words: the Unicode Standard's blocks from
// Latin to the Indic scripts.
bool is_of_word(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return (c >= 0xC0 && c < 0xE00) || (c >= 0x1E00 && c < 0x2000);
}

bool is_space(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0; }

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  const std::hash<std::string_view> hash;
  while (!text.empty() && tokens.size() < kMostTokens) {
    const std::string_view before = text;
    const char32_t first = take_character(text);
    if (is_space(first)) continue;
    std::string_view rest = text;
    while (is_of_word(first) && !rest.empty() && is_of_word(take_character(rest))) text = rest;
    tokens.push_back(hash(before.substr(0, before.size() - text.size())));
  }
  return tokens;
}

// The length of the longest common subsequence, 64 places at once (Hyyrö, "Bit-parallel LCS-length
// computation revisited", 2004).
std::size_t common_length(std::span<const Token> one, std::span<const Token> other) {
  std::unordered_map<Token, std::vector<std::uint32_t>> places;  // in `one`
  for (std::uint32_t i = 0; i < one.size(); ++i) places[one[i]].push_back(i);
  const std::size_t words = one.size() / 64 + 1;
  std::vector<std::uint64_t> row(words, ~std::uint64_t{0});  // a 0 for each place that is common
  std::vector<std::uint64_t> matches(words);
  for (const Token token : other) {
    const auto found = places.find(token);
    if (found == places.end()) continue;
    for (const std::uint32_t place : found->second)
      matches[place / 64] |= std::uint64_t{1} << (place % 64);
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < words; ++i) {
      const std::uint64_t both = row[i] & matches[i];
      const std::uint64_t with_carry = row[i] + carry;
      const std::uint64_t sum = with_carry + both;
      carry = (with_carry < carry ? 1U : 0U) | (sum < both ? 1U : 0U);
      row[i] = sum | (row[i] & ~matches[i]);
    }
    for (const std::uint32_t place : found->second) matches[place / 64] = 0;
  }
  std::size_t common = 0;
  for (const std::uint64_t word : row) common += static_cast<std::size_t>(std::popcount(~word));
  return common;
}

}  // namespace

double text_agreement(std::string_view one, std::string_view other) {
  const std::vector<Token> first = tokens_of(one);
  const std::vector<Token> second = tokens_of(other);
  if (first.empty() && second.empty()) return 1;
  std::span<const Token> left(first);
  std::span<const Token> right(second);
  // What begins alike is mostly all that is alike.
  const std::size_t prefix =
      static_cast<std::size_t>(std::ranges::mismatch(left, right).in1 - left.begin());
  const std::size_t common = prefix + common_length(left.subspan(prefix), right.subspan(prefix));
  return 2 * static_cast<double>(common) / static_cast<double>(first.size() + second.size());
}

std::string_view name_of(NotCompared why) { return kNames[static_cast<std::size_t>(why)]; }

std::optional<NotCompared> not_compared_of(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<NotCompared>(found - kNames.begin());
}

}  // namespace serin::rollout
