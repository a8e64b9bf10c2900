// SPDX-License-Identifier: Apache-2.0
// What processes of ours wrote. Each appends to a file of its own by itself, so that it needs
// nobody while the supervisor is gone; the supervisor rotates by copying and cutting, since nobody
// asks a process to open its file anew. What is written between the last read and the cut is lost:
// a few microseconds, of a process that writes no line a request. Blocks on the disk; one thread a
// file.
//
//   FOLDER/SERVICE/REPLICA.log, REPLICA.log.1 (older), REPLICA.log.2 …
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::platform::local {

struct LogLimits {
  std::uint64_t bytes = std::uint64_t{8} << 20;  // of one file; then it is rotated
  int older = 3;                                 // files beside it
  int replicas = 16;  // of a service whose processes are gone, the newest are kept
};

std::filesystem::path log_of(const std::filesystem::path& folder, std::string_view service,
                             std::string_view replica);

// Moves what is in the file away when there is too much of it. True when it did.
Result<bool> rotate(const std::filesystem::path& log, const LogLimits& limits);

// The last `lines` lines that the files of one replica hold, at most kTailBytes of them. Empty when
// there are none.
inline constexpr std::uint64_t kTailBytes = std::uint64_t{1} << 20;
std::string tail(const std::filesystem::path& log, std::size_t lines);

// Replicas of the service that have a log, the longest unwritten first.
std::vector<std::string> logged(const std::filesystem::path& folder, std::string_view service);

// Removes the oldest logs of replicas that are not among `living`, down to limits.replicas.
void remove_old(const std::filesystem::path& folder, std::string_view service,
                const std::vector<std::string>& living, const LogLimits& limits);

}  // namespace serin::platform::local
