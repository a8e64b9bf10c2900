// SPDX-License-Identifier: Apache-2.0
// What scorers of the user's are given: a part of the requests with their answers, drawn by the
// hash of the request's id, the same part of both versions. Kept in memory until it is pushed out
// by later ones: so many of a service, and so many bytes. From any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/evidence.h"

namespace serin::gateway {

// 0 to 1, of the request's id: who wants a tenth takes those below 0.1.
double sample_draw(std::string_view request_id);

// What a scorer reads of one request.
struct SampledRequest {
  std::string_view request_id, service, version;
  std::string_view request_type, request;  // the content type and the body
  std::string_view response_type, response;
  std::string_view answer = {};  // the text that the response says; empty: none
};
// JSON without a line's end: {"requestId", "service", "version", "prompt", "answer", "request",
// "response", "contentType"}. A body of JSON stands there as what it is, a text as a string,
// everything else as {"base64": "…"}; prompt and answer are texts, where there are some.
std::string sample_json(const SampledRequest& sampled);

class SampleLog {
 public:
  static constexpr std::size_t kSamples = 256;
  static constexpr std::size_t kBytes = std::size_t{16} << 20;
  // Of a request and its answer together; a longer one is not offered.
  static constexpr std::size_t kSampleBytes = std::size_t{1} << 20;

  // `first`: the number of the first, greater than any of the process before.
  explicit SampleLog(std::uint64_t first) : next_(first) {}

  // `evidence`: what a score of it becomes. How many were pushed out that nobody had asked for.
  std::size_t add(double draw, std::string json, EvidenceRecord evidence);
  // Of the part `part`, those that `scorer` has not scored, the oldest first: lines of
  // {"number": N, "sample": {…}}.
  std::string unscored(std::string_view scorer, double part, std::size_t most);
  // What the score is as evidence. nullopt: scored by that scorer before, or gone. Without a score
  // the sample is done with, and nullopt too.
  std::optional<EvidenceRecord> score(std::uint64_t number, std::string_view scorer,
                                      std::optional<double> score);

 private:
  struct Sample {
    std::uint64_t number = 0;
    double draw = 0;
    std::string json;
    EvidenceRecord evidence;
    bool asked_for = false;
    std::vector<std::string> scored_by;
  };
  static bool has_scored(const Sample& sample, std::string_view scorer);

  std::mutex mutex_;
  std::deque<Sample> samples_;
  std::size_t bytes_ = 0;
  std::uint64_t next_;
};

}  // namespace serin::gateway
