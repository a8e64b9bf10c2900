// SPDX-License-Identifier: Apache-2.0
// Lines of evidence in a file, for who comes after a process that was killed. Each is appended
// before the client sees the end of its answer, so that nothing is lost with the process
// (line_file.h); with the power of the machine up to half a minute is. What another gateway writes
// after the file was read is not read again. A file that has grown to its limit becomes PATH.1, in
// place of an older one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gateway/line_file.h"

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
  EvidenceFile(LineFile file, std::uint64_t most_bytes)
      : file_(std::move(file)), most_bytes_(most_bytes) {}
  Status make_room();

  LineFile file_;
  std::uint64_t most_bytes_;
};

}  // namespace serin::gateway
