// SPDX-License-Identifier: Apache-2.0
// What became of a service's requests, for whoever judges a candidate: the newest of them,
// numbered, until they are asked for. From any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rollout/request.h"

namespace serin::gateway {

struct EvidenceRecord {
  std::string version;  // the label of the one first assigned
  rollout::Request request;
  std::vector<std::pair<std::string, double>> scores;  // by the scorer's name, 0 to 1
  // Only the scores are news: what was given to a request later, whose own record is another one.
  // `key` is whose opinion it is.
  bool late = false;
};

// "wellFormed=0.93, language=1": what a worker says of a generation's form. What is malformed, or
// beyond 0 to 1, is left out; at most 32.
std::vector<std::pair<std::string, double>> parse_scores(std::string_view field);

// One line of JSON, with its end.
void append_evidence(std::string& lines, std::uint64_t number, const EvidenceRecord& record);

class EvidenceLog {
 public:
  static constexpr std::size_t kRecords = 65'536;

  // `first`: the number of the first record. To grow from one process to the next, so that who
  // asks need not know that the gateway was replaced.
  explicit EvidenceLog(std::uint64_t first, std::size_t capacity = kRecords)
      : first_(first), next_(first), capacity_(capacity) {}

  void add(EvidenceRecord record);

  struct Page {
    std::string lines;  // JSON
    std::size_t count = 0;
    std::uint64_t next = 0;  // the number of the last of them: ask after this
    std::uint64_t lost = 0;  // after `after`, and forgotten
  };
  Page after(std::uint64_t after, std::size_t most) const;

 private:
  mutable std::mutex mutex_;
  std::vector<EvidenceRecord> ring_;
  const std::uint64_t first_;
  std::uint64_t next_;  // number of the next record
  const std::size_t capacity_;
};

}  // namespace serin::gateway
