// SPDX-License-Identifier: Apache-2.0
// Bodies of POST /v1/feedback: what is read keeps its bounds, and its line is JSON.
#include <cstdint>

#include "base/check.h"
#include "base/json.h"
#include "gateway/feedback/memory.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto feedback = gateway::read_feedback(body);
  if (!feedback) return 0;
  SERIN_CHECK(!feedback->rating || (*feedback->rating >= 0 && *feedback->rating <= 1));
  SERIN_CHECK(feedback->correction.size() <= gateway::kLongestCorrection &&
              feedback->comment.size() <= gateway::kLongestComment);
  const auto line = parse_json(gateway::feedback_line(*feedback, {}));
  SERIN_CHECK(line && line->at("requestId").as_string() == feedback->request_id);
  gateway::RequestMemory memory(2);
  memory.add(feedback->request_id, {});
  SERIN_CHECK(memory.take(*feedback) == gateway::RequestMemory::Taken::kNew);
  SERIN_CHECK(memory.take(*feedback) == gateway::RequestMemory::Taken::kRepeated);
  return 0;
}
