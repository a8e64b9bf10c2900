// SPDX-License-Identifier: Apache-2.0
// What became of a service's requests, for whoever judges a candidate: the newest of them,
// numbered, until they are asked for, each a line of JSON. Where there is a file beside them
// (evidence_file.h), those of the process before are there too. From any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "gateway/evidence_file.h"
#include "gateway/try_end.h"
#include "rollout/request.h"
#include "rollout/score/agreement.h"

namespace serin::gateway {

struct EvidenceRecord {
  std::string version;  // the label of the one first assigned
  rollout::Request request;
  std::vector<std::pair<std::string, double>> scores;  // by the scorer's name, 0 to 1
  // Only the scores are news: what was given to a request later, whose own record is another one.
  // `key` is whose opinion it is.
  bool late = false;
  // Of a request that a shadow rollout drew for its candidate, on the later of its two records.
  std::optional<rollout::Compared> compared;
};

// How a request ended.
struct Ended {
  TryEnd tried;
  std::uint32_t worker = 0;    // its first one, as the evidence calls it; 0: there was none
  bool failed_before = false;  // a try that the client never saw
  bool lasting = false;        // for as long as its client liked
  Duration took{};
  std::optional<Duration> first_byte = {};
  std::optional<Duration> per_token = {};
  std::string_view scores = {};  // the field Serin-Score
};
// What that says goes into the record.
void describe(const Ended& ended, EvidenceRecord& record);

// "wellFormed=0.93, language=1": what a worker says of a generation's form. What is malformed, or
// beyond 0 to 1, is left out; at most 32.
std::vector<std::pair<std::string, double>> parse_scores(std::string_view field);

// Its line of JSON, with its end.
std::string evidence_line(std::uint64_t number, const EvidenceRecord& record);

class EvidenceLog {
 public:
  static constexpr std::size_t kRecords = 65'536;

  // `first`: the number of the first record. To grow from one process to the next, so that who
  // asks need not know that the gateway was replaced; beyond what is in the file, whatever it is.
  explicit EvidenceLog(std::uint64_t first, std::size_t capacity = kRecords,
                       std::optional<EvidenceFile> file = std::nullopt);

  void add(const EvidenceRecord& record);

  struct Page {
    std::string lines;  // JSON
    std::size_t count = 0;
    std::uint64_t next = 0;  // the number of the last of them: ask after this
    std::uint64_t lost = 0;  // after `after`, and forgotten
  };
  // The first call reads the file: tens of milliseconds where it is full.
  Page after(std::uint64_t after, std::size_t most);

 private:
  void read_file();
  void keep(EvidenceLine line);
  std::uint64_t forgotten_after(std::uint64_t after) const;

  std::mutex mutex_;
  std::deque<EvidenceLine> lines_;  // by number
  std::uint64_t first_;
  std::uint64_t next_;                // number of the next record
  std::uint64_t forgotten_ = 0;       // the number of the last one
  std::uint64_t forgotten_read_ = 0;  // so many of those that were in the file
  const std::size_t capacity_;
  std::optional<EvidenceFile> file_;
  std::once_flag file_read_;
  bool file_failed_ = false;  // it was said
};

}  // namespace serin::gateway
