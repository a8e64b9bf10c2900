// SPDX-License-Identifier: Apache-2.0
// What the gateway says of requests that ended, read from its lines of JSON (gateway/evidence.h
// and gateway/scoring/samples.h write them). Pure.
#pragma once

#include <string_view>
#include <vector>

#include "platform/platform.h"

namespace serin::platform::local {

// kInvalidArgument, with the number of the line, for what is not such a line.
Result<std::vector<Evidence>> read_evidence(std::string_view lines);

// Its samples for scorers, and what they say of them (gateway/admin.h).
Result<std::vector<Sample>> read_samples(std::string_view lines);
std::string write_scores(const std::vector<SampleScore>& scores);

}  // namespace serin::platform::local
