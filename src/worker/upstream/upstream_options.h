// SPDX-License-Identifier: Apache-2.0
// What whoever starts a worker says of a remote package's upstream.
#pragma once

#include <chrono>
#include <filesystem>

namespace serin::worker {

struct UpstreamOptions {
  std::filesystem::path key_file;  // goes before the package's keyVariable
  bool allow_command = false;      // whoever starts the worker trusts the package's command
  bool sandbox = true;             // shuts the command in
  std::size_t requests = 256;      // under way at once
  std::chrono::milliseconds probe_interval{1000};
};

}  // namespace serin::worker
