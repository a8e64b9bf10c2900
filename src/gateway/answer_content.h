// SPDX-License-Identifier: Apache-2.0
// What an answer says, read from its bytes as they pass, so that two versions' answers to one
// request can be compared (rollout/score/agreement.h): without the names, times and versions that
// are others in every answer.
//
// - JSON and events with a text in one of the forms that are known (OpenAI's, Anthropic's, those of
//   POST /generate): the text.
// - Other JSON: all of it but the names of the answer, the model and the version.
// - text/…: all of it.
// - Other events, gRPC, tensors in v2's binary form: nothing, they are of no known form.
// - Anything else, such as pictures, sound and video: its digest and its size, however large.
//
// One request, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/error.h"
#include "net/http/message.h"
#include "net/sse.h"
#include "rollout/score/agreement.h"

namespace serin::gateway {

class AnswerContent {
 public:
  static constexpr std::size_t kMostText = 64 * 1024;
  static constexpr std::size_t kMostJson = 256 * 1024;  // the whole body, or one event
  // What one answer takes at most.
  static constexpr std::size_t kMost = kMostJson + 2 * kMostText;

  // Another answer's head: what came before was of a try that failed.
  void begin(const net::Headers& headers);
  void add(std::string_view bytes);
  // No more comes.
  void end();
  // After the end: what the answer says, where it is a text of a form that is known and of at most
  // kMostText; else nothing.
  std::string_view text() const { return too_long_ ? std::string_view() : text_; }

  // Both have ended.
  friend rollout::Compared compare(const AnswerContent& stable, const AnswerContent& candidate);

 private:
  enum class Form : std::uint8_t { kText, kJson, kEvents, kBytes, kUnknown };

  void take_events(std::string_view bytes);
  void take_json();
  void add_text(std::string_view text);

  Form form_ = Form::kBytes;
  bool too_long_ = false;
  bool is_text_ = false;
  std::string text_;
  std::string json_;
  std::optional<net::SseParser> parser_;
  std::optional<Sha256> sha_;
  std::string digest_;  // of what is no text
  std::uint64_t size_ = 0;
};

// Both answers to one request, for whichever of them ends last.
class AnswerPair {
 public:
  enum class Side : std::uint8_t { kStable, kCandidate };

  AnswerContent& of(Side side) { return content_[static_cast<std::size_t>(side)]; }
  // The side has ended; `why_not`: it is no answer to compare. What comes of it once the other one
  // has ended too.
  std::optional<rollout::Compared> ended(Side side, std::optional<rollout::NotCompared> why_not);

 private:
  AnswerContent content_[2];
  bool ended_[2] = {false, false};
  std::optional<rollout::NotCompared> why_not_;
};

}  // namespace serin::gateway
