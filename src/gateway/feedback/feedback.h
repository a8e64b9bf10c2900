// SPDX-License-Identifier: Apache-2.0
// What a user says of an answer: the body of POST /v1/feedback, and the line that is kept of it.
//
//   {"requestId": "req-5f1c…", "rating": 0.2, "correction": "Paris", "comment": "it was Lyon"}
//
// Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace serin::gateway {

// One of the last three is there at least.
struct Feedback {
  std::string request_id;        // X-Request-Id of the answer
  std::optional<double> rating;  // 0 to 1, higher is better
  std::string correction;        // what the answer should have been; empty: not said
  std::string comment;           // empty: none
  bool operator==(const Feedback&) const = default;
};

inline constexpr std::size_t kFeedbackBytes = 256 * 1024;  // of the body
inline constexpr std::size_t kLongestCorrection = 64 * 1024;
inline constexpr std::size_t kLongestComment = 4096;

// kInvalidArgument with the field's path: a rating that is neither a number from 0 to 1 nor "up"
// (1) or "down" (0), texts that are too long, unknown fields, nothing that is said.
Result<Feedback> read_feedback(std::string_view body);

// What is known of the answer that it is about.
struct FeedbackLine {
  std::chrono::system_clock::time_point time;
  std::string_view service, version, package;
  std::string_view client;  // whose key or token sent it; empty: nobody's
};
// One line of JSON, with its end.
std::string feedback_line(const Feedback& feedback, const FeedbackLine& about);

}  // namespace serin::gateway
