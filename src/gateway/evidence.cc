// SPDX-License-Identifier: Apache-2.0
#include "gateway/evidence.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "net/http/text.h"

namespace serin::gateway {
namespace {

std::string_view name_of(rollout::Outcome outcome) {
  switch (outcome) {
    case rollout::Outcome::kAnswered:
      return "answered";
    case rollout::Outcome::kFailed:
      return "failed";
    case rollout::Outcome::kCensored:
      return "censored";
  }
  return {};
}

// JSON has no infinity: what never ended is null, what there was not is left out.
void put_time(json::object& into, std::string_view name, const std::optional<double>& time) {
  if (!time) return;
  into[name] = std::isfinite(*time) ? json::value(*time) : json::value(nullptr);
}

}  // namespace

std::vector<std::pair<std::string, double>> parse_scores(std::string_view field) {
  constexpr std::size_t kMost = 32;
  std::vector<std::pair<std::string, double>> scores;
  net::text::for_each_element(field, [&](std::string_view element) {
    const std::size_t equals = element.find('=');
    if (equals == 0 || equals == std::string_view::npos || scores.size() == kMost) return;
    const std::string_view number = element.substr(equals + 1);
    double score = -1;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), score);
    const bool whole = error == std::errc() && end == number.data() + number.size();
    if (!whole || !(score >= 0 && score <= 1)) return;
    scores.emplace_back(element.substr(0, equals), score);
  });
  return scores;
}

void append_evidence(std::string& lines, std::uint64_t number, const EvidenceRecord& record) {
  const rollout::Request& request = record.request;
  json::object line{{"number", number},
                    {"version", record.version},
                    {"assigned", request.assigned},
                    {"arm", request.arm == rollout::Arm::kStable ? "stable" : "candidate"},
                    {"weight", request.weight},
                    {"key", request.key},
                    {"worker", request.worker}};
  if (record.late) {
    line["late"] = true;
  } else {
    line["outcome"] = name_of(request.outcome);
    put_time(line, "latency", request.latency);
    put_time(line, "timeToFirstToken", request.time_to_first_token);
    put_time(line, "timePerOutputToken", request.time_per_output_token);
  }
  if (!record.scores.empty()) {
    json::object scores;
    for (const auto& [name, score] : record.scores) scores[name] = score;
    line["scores"] = std::move(scores);
  }
  lines += json::serialize(line);
  lines += '\n';
}

void EvidenceLog::add(EvidenceRecord record) {
  const std::lock_guard lock(mutex_);
  const auto place = static_cast<std::size_t>((next_ - first_) % capacity_);
  ++next_;
  if (place == ring_.size()) {
    ring_.push_back(std::move(record));
  } else {
    ring_[place] = std::move(record);
  }
}

EvidenceLog::Page EvidenceLog::after(std::uint64_t after, std::size_t most) const {
  const std::lock_guard lock(mutex_);
  Page page;
  const std::uint64_t oldest = next_ - std::min<std::uint64_t>(next_ - first_, ring_.size());
  // A number of an earlier process, or of none, is before all of ours.
  std::uint64_t number = std::max(after + 1, first_);
  if (after >= next_) number = oldest;
  if (number < oldest) {
    page.lost = oldest - number;
    number = oldest;
  }
  for (; number < next_ && page.count < most; ++number, ++page.count)
    append_evidence(page.lines, number,
                    ring_[static_cast<std::size_t>((number - first_) % capacity_)]);
  page.next = number - 1;
  return page;
}

}  // namespace serin::gateway
