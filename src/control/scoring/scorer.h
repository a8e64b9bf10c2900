// SPDX-License-Identifier: Apache-2.0
// One call of a scorer of the user's: samples go in, scores come out.
//
// A command is started once for all of them: it reads a line of JSON for each from its standard
// input and writes a line {"score": 0.87} for each, in the same order. A server is sent one after
// the other by POST and answers the same. A service is asked about one after the other, through the
// gateway, and answers with a number. Blocks; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "control/schema/manifest.h"
#include "net/http/client.h"
#include "platform/platform.h"

namespace serin::control {

struct Scored {
  // One for each sample, up to the first that it was not there for; none when it was cancelled.
  std::vector<platform::SampleScore> scores;
  std::string trouble;     // what it did wrong first; empty: nothing
  std::size_t failed = 0;  // samples that it was asked about and gave no score for
};

// A score of 0 to 1; kInvalidArgument says what the line is instead.
Result<double> read_score(std::string_view line);

// What a service is asked about a sample: {"instances": [{"prompt": "…", "answer": "…"}]}, where a
// picture or a sound is its answer in base64. kInvalidArgument for a sample without an answer.
Result<std::string> question_of(std::string_view sample);
// The number in {"predictions": [{NAME: {"data": [0.87]}}]}; kInvalidArgument says what there is
// instead.
Result<double> read_prediction(std::string_view answer);

// Who cannot be started or reached, or has no room, is away: what it was not asked about waits
// until it is back. Blocks for at most spec.timeout, of a server or a service that long for each
// sample.
Scored run_scorer(const ScorerSpec& spec, const std::vector<platform::Sample>& samples,
                  net::Client& client, platform::Platform& platform, const CancelToken& cancel);

}  // namespace serin::control
