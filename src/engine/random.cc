// SPDX-License-Identifier: Apache-2.0
#include "engine/random.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace serin::engine {
namespace {

// Constants of Philox4x32 (Salmon et al., 2011, table 2 and section 3.3).
constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

// Blocks that are computed side by side, each word in an array of its own, so that the compiler
// uses vector instructions: the rounds of one block depend on each other, those of two do not.
constexpr std::size_t kLanes = 16;
struct Lanes {
  std::array<std::uint32_t, kLanes> word[4];
};

std::array<std::uint32_t, 2> key_of(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

void philox_lanes(Lanes& lanes, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t product0 = std::uint64_t{kMultiplier0} * lanes.word[0][i];
      const std::uint64_t product1 = std::uint64_t{kMultiplier1} * lanes.word[2][i];
      const std::uint32_t word1 = lanes.word[1][i], word3 = lanes.word[3][i];
      lanes.word[0][i] = static_cast<std::uint32_t>(product1 >> 32) ^ word1 ^ key[0];
      lanes.word[1][i] = static_cast<std::uint32_t>(product1);
      lanes.word[2][i] = static_cast<std::uint32_t>(product0 >> 32) ^ word3 ^ key[1];
      lanes.word[3][i] = static_cast<std::uint32_t>(product0);
    }
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
}

double uniform_double(std::uint32_t word) { return (word >> 8) * 0x1p-24; }

// Box and Muller's pair from two words. u1 lies in (0, 1], so that the logarithm is finite.
std::array<float, 2> normal_pair(std::uint32_t word0, std::uint32_t word1) {
  const double u1 = ((word0 >> 8) + 1.0) * 0x1p-24;
  const double angle = 2.0 * std::numbers::pi * uniform_double(word1);
  const double radius = std::sqrt(-2.0 * std::log(u1));
  return {static_cast<float>(radius * std::cos(angle)),
          static_cast<float>(radius * std::sin(angle))};
}

// Calls block(words, values) for every four values, the last of which may be fewer.
template <class Block>
void for_blocks(std::uint64_t seed, std::uint32_t stream, std::span<float> values, Block block) {
  const auto key = key_of(seed);
  for (std::size_t first = 0; first * 4 < values.size(); first += kLanes) {
    Lanes lanes;
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t position = first + i;
      lanes.word[0][i] = static_cast<std::uint32_t>(position);
      lanes.word[1][i] = static_cast<std::uint32_t>(position >> 32);
      lanes.word[2][i] = stream;
      lanes.word[3][i] = 0;
    }
    philox_lanes(lanes, key);
    for (std::size_t i = 0; i < kLanes && (first + i) * 4 < values.size(); ++i) {
      const std::size_t at = (first + i) * 4;
      const std::array<std::uint32_t, 4> words{lanes.word[0][i], lanes.word[1][i], lanes.word[2][i],
                                               lanes.word[3][i]};
      block(words, values.subspan(at, std::min<std::size_t>(4, values.size() - at)));
    }
  }
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

std::array<std::uint32_t, 4> random_block(std::uint64_t seed, std::uint32_t stream,
                                          std::uint64_t position) {
  return philox(
      {static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32), stream, 0},
      key_of(seed));
}

float uniform_of(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; }

std::size_t draw_label(std::uint64_t seed, std::size_t place, std::size_t count) {
  const auto block = random_block(seed, kLabelStream, place);
  return static_cast<std::size_t>(uniform_double(block[0]) * static_cast<double>(count));
}

void fill_uniform(std::uint64_t seed, std::uint32_t stream, std::span<float> values) {
  for_blocks(seed, stream, values, [](const auto& words, std::span<float> four) {
    for (std::size_t i = 0; i < four.size(); ++i) four[i] = uniform_of(words[i]);
  });
}

void fill_normal(std::uint64_t seed, std::uint32_t stream, std::span<float> values) {
  for_blocks(seed, stream, values, [](const auto& words, std::span<float> four) {
    const auto low = normal_pair(words[0], words[1]), high = normal_pair(words[2], words[3]);
    const std::array<float, 4> made{low[0], low[1], high[0], high[1]};
    std::copy_n(made.begin(), four.size(), four.begin());
  });
}

}  // namespace serin::engine
