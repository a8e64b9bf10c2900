// SPDX-License-Identifier: Apache-2.0
// Who is told of what happens to a service: a web address or a command, as the manifest has it
// (spec.notifications). Plain values; pure.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace serin::control::notify {

struct Target {
  std::string name = {};
  // Either an address and the file with the secrets that sign what is sent there, or a command.
  std::string url = {};
  std::filesystem::path secret_file = {};
  std::vector<std::string> command = {};
  std::vector<std::string> events = {};   // reasons; '*' at the end stands for anything
  std::chrono::milliseconds timeout{};    // of one try
  std::chrono::milliseconds retry_for{};  // an event that is older is tried once more, if at all

  bool is_command() const { return !command.empty(); }
};

// `text`: one of spec.notifications as JSON, with its defaults. kDataLoss for anything else.
Result<Target> read_target(std::string_view text);

// Whether it is told of such events. Never of those that say that somebody could not be told.
bool wants(const Target& target, std::string_view reason);
// The reason of the event that says that this one could not be told.
std::string_view reason_of_failure(const Target& target);

}  // namespace serin::control::notify
