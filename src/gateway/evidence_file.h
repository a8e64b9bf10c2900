// SPDX-License-Identifier: Apache-2.0
// Lines of evidence in a file, for who comes after a process that was killed. Each line is appended
// by one system call before the client sees the end of its answer, so that nothing is lost with the
// process; with the power of the machine up to half a minute is, for nothing waits for the disk.
//
//   1 9f2c41d07ab3e865 {"number":1764363600000001,"version":"v1",…}
//
// The form's version, a hash of the rest, the line as who asks gets it. A torn line, or one of
// another version, is passed over and counted; so gateways of two releases may write one file, as
// they do while the one takes over from the other; what the other one writes after it was read is
// not read again. A file that has grown to its limit becomes PATH.1, in place of an older one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"

namespace serin::gateway {

struct EvidenceLine {
  std::uint64_t number = 0;
  std::string text;  // JSON, with its end
  bool operator==(const EvidenceLine&) const = default;
};

// As it stands in the file; the text ends with "\n" and has no other one.
std::string framed(const EvidenceLine& line);
// nullopt: torn, or of another version. `line` is without its end.
std::optional<EvidenceLine> unframed(std::string_view line);

// One writer's. One thread at a time.
class EvidenceFile {
 public:
  static constexpr std::uint64_t kBytes = 16 << 20;  // some 65,000 lines

  // Made when it is missing. `most_bytes`: then it becomes PATH.1.
  static Result<EvidenceFile> open(std::filesystem::path path, std::uint64_t most_bytes = kBytes);

  struct Kept {
    std::vector<EvidenceLine> lines;  // by number, each once
    std::size_t passed_over = 0;      // torn, or of another version
  };
  // The newest `most` lines of this file and of PATH.1, whoever wrote them.
  Result<Kept> read(std::size_t most) const;
  // Of the last whole line; 0: there is none.
  std::uint64_t last_number() const;

  Status append(const EvidenceLine& line);

 private:
  EvidenceFile(std::filesystem::path path, std::uint64_t most_bytes)
      : path_(std::move(path)), most_bytes_(most_bytes) {}
  Status reopen();
  Status make_room();

  std::filesystem::path path_;
  std::uint64_t most_bytes_;
  std::uint64_t bytes_ = 0;
  Descriptor file_;
};

}  // namespace serin::gateway
