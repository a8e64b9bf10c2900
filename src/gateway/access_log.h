// SPDX-License-Identifier: Apache-2.0
// The access log: a line of JSON for each request that ended. Lanes gather lines and write them at
// their ticks, so that a request costs no system call. write() from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"

namespace serin::gateway {

struct AccessLine {
  std::chrono::system_clock::time_point time;
  std::string_view id, peer, client, method, path, service, version, replica, end;
  std::uint16_t status = 0;
  std::uint32_t retries = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  double seconds = 0;
  double first_byte = -1;  // seconds; negative: none came
};

// Pure.
void append_access_line(std::string& lines, const AccessLine& line);

class AccessLog {
 public:
  // Appends to `path`, which is made with mode 0600; "-" is standard output; empty: no log.
  static Result<std::unique_ptr<AccessLog>> open(const std::filesystem::path& path);

  bool on() const { return file_.open(); }
  // Writes and empties `lines`. What cannot be written is dropped: a full disk stops no request.
  void write(std::string& lines);

 private:
  explicit AccessLog(Descriptor file) : file_(std::move(file)) {}
  Descriptor file_;
};

}  // namespace serin::gateway
