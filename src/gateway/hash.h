// SPDX-License-Identifier: Apache-2.0
// A hash of bytes whose every bit is uniform, the same on every machine and in every release: who
// is on which side of a split must not change when a gateway is replaced. Pure; not for secrets.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace serin::gateway {

__extension__ using Uint128 = unsigned __int128;

// Both halves of the product, folded.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kFirst = 0x9e3779b97f4a7c15, kSecond = 0xd6e8feb86659fd93;
  std::uint64_t state = mix(seed ^ kFirst, kSecond ^ bytes.size());
  while (!bytes.empty()) {
    std::uint64_t word = 0;  // little-endian, as every machine that Serin runs on
    const std::size_t taken = bytes.size() < 8 ? bytes.size() : 8;
    std::memcpy(&word, bytes.data(), taken);
    state = mix(state ^ word, kFirst) + kSecond;
    bytes.remove_prefix(taken);
  }
  return mix(state ^ kSecond, mix(state, kFirst) ^ kFirst);
}

}  // namespace serin::gateway
