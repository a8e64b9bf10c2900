// SPDX-License-Identifier: Apache-2.0
// What a rollout knows of one request: to which arm it was first assigned, and how it ended. The
// gateway says so once the end is known (at the latest at the request's deadline), for the version
// first assigned, however often it was retried and whoever answered in the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace serin::rollout {

enum class Arm : std::uint8_t { kStable, kCandidate };
// Its place in arrays of two.
inline std::size_t index(Arm arm) { return static_cast<std::size_t>(arm); }
constexpr Arm last_of(Arm) { return Arm::kCandidate; }

enum class Outcome : std::uint8_t {
  kAnswered,
  kFailed,    // 5xx, deadline passed, a broken or empty stream, a worker's 429
  kCensored,  // the client's doing: 4xx, it went away. Counted, and evidence of nothing
};
constexpr Outcome last_of(Outcome) { return Outcome::kCensored; }

struct Request {
  double assigned = 0;  // when, in seconds from any beginning
  Arm arm = Arm::kStable;
  double weight = 0;      // the candidate's part of the keys when it was assigned, 0 to 1
  std::uint64_t key = 0;  // hash of the assignment key; kOwnKey for a request that has none
  std::uint32_t worker = 0;
  Outcome outcome = Outcome::kAnswered;
  // In seconds; never finished is infinite, unset when there is no such thing.
  std::optional<double> latency;
  std::optional<double> time_to_first_token;
  std::optional<double> time_per_output_token;
  std::vector<std::optional<double>>
      scores;  // in the order of the analysis's score metrics, 0 to 1

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.assigned, self.arm, self.weight, self.key, self.worker, self.outcome, self.latency,
            self.time_to_first_token, self.time_per_output_token, self.scores);
  }

  static constexpr std::uint64_t kOwnKey = 0;
};

}  // namespace serin::rollout
