// SPDX-License-Identifier: Apache-2.0
// How much alike two versions' answers to one request are. Another answer is not a worse one, so
// nothing is decided by it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace serin::rollout {

// So many tokens of each text are compared, from its beginning.
inline constexpr std::size_t kMostTokens = 4096;

// ROUGE-L (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004): of the tokens that
// both texts have in the same order, twice the number by the number of both texts' tokens. From 0,
// nothing in common, to 1, the same tokens. A token is a word where words are written with spaces
// between them, else a character; white space is none.
double text_agreement(std::string_view one, std::string_view other);

// Two answers that were compared.
struct Comparison {
  double agreement = 0;  // 0 to 1; of what is no text 1 where it is identical, else 0
  bool identical = false;
  std::uint64_t stable_bytes = 0;
  std::uint64_t candidate_bytes = 0;
  bool operator==(const Comparison&) const = default;
};

// Why a request that was drawn for a shadow rollout's candidate has no two answers to compare.
enum class NotCompared : std::uint8_t {
  kFailed,         // one of the versions gave no whole answer below 400
  kClientGone,     // before both had answered
  kTooLong,        // a text or JSON that is larger than what is kept of it
  kUnknownForm,    // gRPC, binary tensors: what in it stands for the version is not known
  kLimit,          // there was no copy: as many as may be were under way
  kStreamedBody,   // there was no copy: the request is a stream
  kNotRepeatable,  // there was no copy: the request makes something that is kept
};
constexpr NotCompared last_of(NotCompared) { return NotCompared::kNotRepeatable; }
inline constexpr std::size_t kNotComparedKinds =
    static_cast<std::size_t>(last_of(NotCompared{})) + 1;

using Compared = std::variant<Comparison, NotCompared>;

// "too_long" and so on.
std::string_view name_of(NotCompared why);
std::optional<NotCompared> not_compared_of(std::string_view name);

}  // namespace serin::rollout
