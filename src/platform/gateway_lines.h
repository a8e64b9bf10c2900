// SPDX-License-Identifier: Apache-2.0
// What a gateway's admin API is asked (gateway/admin.h), and what it answers: lines of JSON that
// gateway/evidence.h and gateway/scoring/samples.h write. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http/message.h"

#include "platform/platform.h"

namespace serin::platform {

// kInvalidArgument, with the number of the line, for what is not such a line.
Result<std::vector<Evidence>> read_evidence(std::string_view lines);

// Paths and queries of what is asked.
std::string evidence_target(std::string_view service, std::uint64_t after, std::size_t most);
std::string samples_target(std::string_view service, std::string_view scorer, double part,
                           std::size_t most);
std::string scores_target(std::string_view service, std::string_view scorer);
std::string ask_target(std::string_view service, std::chrono::milliseconds within);

// kInvalidArgument for a service or a scorer that is none: it is not to stand in a path.
Status check_names(std::string_view service, std::string_view scorer);

// One gateway's answer to evidence_target(): nothing where it does not know the service.
struct GatewayPage {
  std::vector<Evidence> records;
  std::uint64_t next = 0;  // to ask after
  std::uint64_t lost = 0;
};
Result<GatewayPage> read_page(const net::Response& response, std::uint64_t after);
// The answers to samples_target() and scores_target(), likewise.
Result<std::vector<Sample>> read_samples(const net::Response& response);
Status read_scored(const net::Response& response);

// Its samples for scorers, and what they say of them.
Result<std::vector<Sample>> read_samples(std::string_view lines);
std::string write_scores(const std::vector<SampleScore>& scores);

}  // namespace serin::platform
