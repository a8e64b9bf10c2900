// SPDX-License-Identifier: Apache-2.0
// What processes hold in memory, for limits where there are no control groups, and what the machine
// has. Not an address-space limit: frameworks reserve far more than they use.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

namespace serin::platform::local {

// Bytes that the processes of each session hold for themselves: anonymous and shared memory that is
// resident. Pages of files are left out, as the kernel takes them back when it needs to. Reads
// /proc once; blocks for milliseconds.
std::map<int, std::uint64_t> memory_of_sessions(const std::vector<int>& sessions);

// Of /proc/PID/status; pure.
std::uint64_t held_bytes(std::string_view status);

// What this machine has; 0 when it cannot be told.
std::uint64_t machine_memory();

}  // namespace serin::platform::local
