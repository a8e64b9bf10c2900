// SPDX-License-Identifier: Apache-2.0
#include "engine/profile.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace serin::engine {

#if defined(__x86_64__)
namespace {

// What the kernel saves at a context switch (XCR0): without it an instruction set is there and
// cannot be used.
std::uint64_t enabled_state() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kOsxsave = 1u << 27;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsxsave) == 0) return 0;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAmxTile = 1u << 24;             // leaf 7, EDX
  constexpr std::uint64_t kTileState = 0x3ull << 17;  // XTILECFG and XTILEDATA
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmxTile) != 0 &&
         (enabled_state() & kTileState) == kTileState;
}

}  // namespace

std::string instruction_set() {
  __builtin_cpu_init();
  std::string level = "x86-64";
  if (__builtin_cpu_supports("x86-64-v2")) level = "x86-64-v2";
  if (__builtin_cpu_supports("x86-64-v3")) level = "x86-64-v3";
  if (__builtin_cpu_supports("x86-64-v4")) level = "x86-64-v4";
  return has_amx() ? level + "+amx" : level;
}
#elif defined(__aarch64__)
std::string instruction_set() { return "aarch64"; }
#else
std::string instruction_set() { return "unknown"; }
#endif

std::string profile_of(const Device& device, const std::string& instructions, int threads) {
  const std::string kind = device.kind == Device::Kind::kCuda ? "cuda" : "cpu";
  return kind + "/" + instructions + "/threads=" + std::to_string(threads);
}

}  // namespace serin::engine
