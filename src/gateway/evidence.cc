// SPDX-License-Identifier: Apache-2.0
#include "gateway/evidence.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/log.h"
#include "gateway/json_line.h"
#include "net/http/text.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kLineBytes = 256;  // more than most lines have

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

// What never ended is null, what there was not is left out.
void put_time(JsonLine& json, std::string_view name, const std::optional<double>& time) {
  if (time) json.number(name, *time);
}

void put_comparison(JsonLine& json, const rollout::Compared& compared) {
  if (const auto* why = std::get_if<rollout::NotCompared>(&compared))
    return json.text("notCompared", name_of(*why));
  const auto& both = std::get<rollout::Comparison>(compared);
  JsonLine inner = json.object("compared");
  inner.number("agreement", both.agreement);
  inner.flag("identical", both.identical);
  inner.count("stableBytes", both.stable_bytes);
  inner.count("candidateBytes", both.candidate_bytes);
  inner.close();
}

void put_scores(JsonLine& json, const std::vector<std::pair<std::string, double>>& scores) {
  if (scores.empty()) return;
  JsonLine inner = json.object("scores");
  for (const auto& [name, score] : scores) inner.number(name, score);
  inner.close();
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// It would have gone on for ever, as far as anybody knows.
bool never_ended(End end) {
  return end == End::kDeadline || end == End::kLateFirstByte || end == End::kBroken;
}

}  // namespace

void describe(const Ended& ended, EvidenceRecord& record) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const TryEnd& tried = ended.tried;
  rollout::Request& request = record.request;
  request.worker = ended.worker;
  request.outcome = ended.failed_before ? rollout::Outcome::kFailed : outcome_of(tried);
  if (never_ended(tried.end)) request.latency = kNever;
  if (never_ended(tried.end) && !ended.first_byte) request.time_to_first_token = kNever;
  // How long messages go to and fro is the client's doing.
  if (!ended.lasting && tried.end == End::kAnswer && tried.status < 400) {
    request.latency = seconds(ended.took);
    if (ended.first_byte) request.time_to_first_token = seconds(*ended.first_byte);
  }
  if (ended.per_token) request.time_per_output_token = seconds(*ended.per_token);
  if (!ended.scores.empty()) record.scores = parse_scores(ended.scores);
}

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

std::string evidence_line(std::uint64_t number, const EvidenceRecord& record) {
  const rollout::Request& request = record.request;
  std::string line;
  line.reserve(kLineBytes);
  JsonLine json(line);
  json.count("number", number);
  json.text("version", record.version);
  json.number("assigned", request.assigned);
  json.text("arm", request.arm == rollout::Arm::kStable ? "stable" : "candidate");
  json.number("weight", request.weight);
  json.count("key", request.key);
  json.count("worker", request.worker);
  if (record.late) {
    json.flag("late", true);
  } else {
    json.text("outcome", name_of(request.outcome));
    put_time(json, "latency", request.latency);
    put_time(json, "timeToFirstToken", request.time_to_first_token);
    put_time(json, "timePerOutputToken", request.time_per_output_token);
  }
  put_scores(json, record.scores);
  if (record.compared) put_comparison(json, *record.compared);
  json.close();
  line += '\n';
  return line;
}

EvidenceLog::EvidenceLog(std::uint64_t first, std::size_t capacity,
                         std::optional<EvidenceFile> file)
    : first_(file ? std::max(first, file->last_number() + 1) : first),
      next_(first_),
      capacity_(capacity),
      file_(std::move(file)) {}

void EvidenceLog::add(const EvidenceRecord& record) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = next_++;
  EvidenceLine line{number, evidence_line(number, record)};
  if (file_) {
    const Status written = file_->append(line);
    if (!written && !std::exchange(file_failed_, true))
      log::error("evidence is kept in memory alone", {{"why", written.error().message}});
    if (written) file_failed_ = false;
  }
  keep(std::move(line));
}

void EvidenceLog::keep(EvidenceLine line) {
  lines_.push_back(std::move(line));
  if (lines_.size() <= capacity_) return;
  forgotten_ = lines_.front().number;
  if (forgotten_ < first_) ++forgotten_read_;
  lines_.pop_front();
}

// What the process before wrote comes before all of ours.
void EvidenceLog::read_file() {
  auto kept = file_->read(capacity_);
  if (!kept) return log::error("evidence of before is lost", {{"why", kept.error().message}});
  if (kept->passed_over > 0)
    log::warning("lines of evidence are torn, or of another release of serin",
                 {{"lines", kept->passed_over}});
  const std::lock_guard lock(mutex_);
  auto ours = std::exchange(lines_, {});
  for (EvidenceLine& line : kept->lines) {
    if (line.number < first_) keep(std::move(line));
  }
  for (EvidenceLine& line : ours) keep(std::move(line));
}

std::uint64_t EvidenceLog::forgotten_after(std::uint64_t after) const {
  if (forgotten_ <= after) return 0;
  if (after >= first_) return forgotten_ - after;
  if (forgotten_ < first_) return std::min(forgotten_read_, forgotten_ - after);
  return forgotten_ - (first_ - 1) + forgotten_read_;
}

EvidenceLog::Page EvidenceLog::after(std::uint64_t after, std::size_t most) {
  if (file_) std::call_once(file_read_, [this] { read_file(); });
  const std::lock_guard lock(mutex_);
  Page page;
  // A number that nobody gave is before all there is.
  if (after >= next_) {
    after = 0;
  } else {
    page.lost = forgotten_after(after);
  }
  page.next = after;
  auto line = std::ranges::upper_bound(lines_, after, {}, &EvidenceLine::number);
  for (; line != lines_.end() && page.count < most; ++line, ++page.count) {
    page.lines += line->text;
    page.next = line->number;
  }
  return page;
}

}  // namespace serin::gateway
