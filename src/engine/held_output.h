// SPDX-License-Identifier: Apache-2.0
// Libraries that write to standard error while they are being loaded, before anybody can ask them
// not to: what they wrote is held back and becomes entries of our log.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace serin::engine {

// Runs `work` and gives the lines that anything in the process wrote to standard error meanwhile.
// One thread at a time.
std::vector<std::string> held_output_of(const std::function<void()>& work);

// A line of absl's logging, "I0000 00:00:… port.cc:153] …", or of its announcement. Pure.
bool is_library_line(std::string_view line);

// Those of libraries go to the log as details; the others, which other threads of ours wrote, go
// where they were going.
void pass_on(const std::vector<std::string>& lines, std::string_view library);

}  // namespace serin::engine
