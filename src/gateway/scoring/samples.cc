// SPDX-License-Identifier: Apache-2.0
#include "gateway/scoring/samples.h"

#include <algorithm>
#include <span>

#include "base/base64.h"
#include "base/json.h"
#include "gateway/hash.h"
#include "gateway/split.h"

namespace serin::gateway {
namespace {

// No other hash of the id is to know anything of it.
constexpr std::uint64_t kDraw = 5;
// Scorers whose scores of a sample are remembered.
constexpr std::size_t kMostScorers = 8;

json::value body_value(std::string_view type, std::string_view body) {
  if (type.starts_with("application/json") || type.empty()) {
    if (auto value = parse_json(body)) return *std::move(value);
  }
  if (type.starts_with("text/")) {
    // JSON is UTF-8: what is none of it goes as bytes.
    json::string text(body);
    if (parse_json(json::serialize(text))) return text;
  }
  return json::object{{"base64", to_base64(body)}};
}

}  // namespace

double sample_draw(std::string_view request_id) {
  return unit_interval(hash_bytes(request_id, kDraw));
}

std::string sample_json(const SampledRequest& sampled) {
  return json::serialize(
      json::object{{"requestId", sampled.request_id},
                   {"service", sampled.service},
                   {"version", sampled.version},
                   {"request", body_value(sampled.request_type, sampled.request)},
                   {"response", body_value(sampled.response_type, sampled.response)},
                   {"contentType", sampled.response_type}});
}

bool SampleLog::has_scored(const Sample& sample, std::string_view scorer) {
  return std::ranges::find(sample.scored_by, scorer) != sample.scored_by.end();
}

std::size_t SampleLog::add(double draw, std::string json, EvidenceRecord evidence) {
  const std::lock_guard lock(mutex_);
  std::size_t lost = 0;
  bytes_ += json.size();
  samples_.push_back({next_++, draw, std::move(json), std::move(evidence), false, {}});
  while (samples_.size() > kSamples || (bytes_ > kBytes && samples_.size() > 1)) {
    if (!samples_.front().asked_for) ++lost;
    bytes_ -= samples_.front().json.size();
    samples_.pop_front();
  }
  return lost;
}

std::string SampleLog::unscored(std::string_view scorer, double part, std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::string lines;
  std::size_t count = 0;
  for (Sample& sample : samples_) {
    if (count == most) break;
    if (sample.draw >= part || has_scored(sample, scorer)) continue;
    sample.asked_for = true;
    lines += "{\"number\":" + std::to_string(sample.number) + ",\"sample\":" + sample.json + "}\n";
    ++count;
  }
  return lines;
}

std::optional<EvidenceRecord> SampleLog::score(std::uint64_t number, std::string_view scorer,
                                               std::optional<double> score) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(samples_, number, &Sample::number);
  if (found == samples_.end() || has_scored(*found, scorer) ||
      found->scored_by.size() == kMostScorers)
    return std::nullopt;
  found->scored_by.emplace_back(scorer);
  if (!score) return std::nullopt;
  EvidenceRecord evidence = found->evidence;
  evidence.late = true;
  evidence.scores = {{std::string(scorer), *score}};
  return evidence;
}

}  // namespace serin::gateway
