// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011): random numbers as a function of (seed, stream, position), so that no draw depends on what
// else was drawn. docs/package-format.md defines the streams; every function here is pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace serin::engine {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

inline constexpr std::uint32_t kLabelStream = 0;
inline constexpr std::uint32_t kNoiseStream = 1;  // + the input's place
inline constexpr std::uint32_t kSamplingStream = 1u << 31;

std::array<std::uint32_t, 4> random_block(std::uint64_t seed, std::uint32_t stream,
                                          std::uint64_t position);
float uniform_of(std::uint32_t word);  // [0, 1), 24 bits
// Below `count`, for the label input at `place` of `inputs`.
std::size_t draw_label(std::uint64_t seed, std::size_t place, std::size_t count);
void fill_uniform(std::uint64_t seed, std::uint32_t stream, std::span<float> values);
void fill_normal(std::uint64_t seed, std::uint32_t stream, std::span<float> values);

}  // namespace serin::engine
