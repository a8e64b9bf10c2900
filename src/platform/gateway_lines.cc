// SPDX-License-Identifier: Apache-2.0
#include "platform/gateway_lines.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "base/json.h"

namespace serin::platform {
namespace {

constexpr std::size_t kMostEvidence = 10'000;

// What is missing or no number is nothing; null is what never came.
std::optional<double> number_at(const json::object& line, std::string_view name) {
  const json::value* value = line.if_contains(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_null()) return std::numeric_limits<double>::infinity();
  return value->is_number() ? std::optional(value->to_number<double>()) : std::nullopt;
}

std::uint64_t count_at(const json::object& line, std::string_view name) {
  const json::value* value = line.if_contains(name);
  if (value == nullptr || !(value->is_int64() || value->is_uint64())) return 0;
  return value->is_uint64() ? value->get_uint64() : static_cast<std::uint64_t>(value->get_int64());
}

std::string_view text_at(const json::object& line, std::string_view name) {
  const json::value* value = line.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

std::optional<rollout::Outcome> outcome_of(std::string_view name) {
  if (name == "answered") return rollout::Outcome::kAnswered;
  if (name == "failed") return rollout::Outcome::kFailed;
  if (name == "censored") return rollout::Outcome::kCensored;
  return std::nullopt;
}

std::optional<rollout::Compared> compared_at(const json::object& line) {
  if (const std::string_view why = text_at(line, "notCompared"); !why.empty()) {
    const auto known = rollout::not_compared_of(why);
    return known ? std::optional<rollout::Compared>(*known) : std::nullopt;
  }
  const json::value* value = line.if_contains("compared");
  const json::object* both = value == nullptr ? nullptr : value->if_object();
  const auto agreement = both == nullptr ? std::nullopt : number_at(*both, "agreement");
  if (!agreement || !(*agreement >= 0 && *agreement <= 1)) return std::nullopt;
  const json::value* identical = both->if_contains("identical");
  return rollout::Comparison{.agreement = *agreement,
                             .identical = identical != nullptr && *identical == true,
                             .stable_bytes = count_at(*both, "stableBytes"),
                             .candidate_bytes = count_at(*both, "candidateBytes")};
}

std::optional<Evidence> read_line(std::string_view text) {
  const auto value = parse_json(text);
  const json::object* line = value ? value->if_object() : nullptr;
  if (line == nullptr) return std::nullopt;
  Evidence evidence;
  evidence.version = std::string(text_at(*line, "version"));
  const json::value* late = line->if_contains("late");
  evidence.late = late != nullptr && *late == true;
  const auto outcome =
      evidence.late ? rollout::Outcome::kAnswered : outcome_of(text_at(*line, "outcome"));
  const auto assigned = number_at(*line, "assigned");
  const auto weight = number_at(*line, "weight");
  if (evidence.version.empty() || !outcome || !assigned || !weight) return std::nullopt;
  rollout::Request& request = evidence.request;
  request.assigned = *assigned;
  request.weight = *weight;
  request.outcome = *outcome;
  request.arm =
      text_at(*line, "arm") == "candidate" ? rollout::Arm::kCandidate : rollout::Arm::kStable;
  request.key = count_at(*line, "key");
  request.worker = static_cast<std::uint32_t>(count_at(*line, "worker"));
  request.latency = number_at(*line, "latency");
  request.time_to_first_token = number_at(*line, "timeToFirstToken");
  request.time_per_output_token = number_at(*line, "timePerOutputToken");
  if (const json::value* scores = line->if_contains("scores");
      scores != nullptr && scores->is_object()) {
    for (const auto& score : scores->get_object()) {
      if (score.value().is_number())
        evidence.scores.emplace_back(score.key(), score.value().to_number<double>());
    }
  }
  evidence.compared = compared_at(*line);
  return evidence;
}

std::optional<Sample> read_sample(std::string_view text) {
  const auto value = parse_json(text);
  const json::object* line = value ? value->if_object() : nullptr;
  const json::value* sample = line == nullptr ? nullptr : line->if_contains("sample");
  if (sample == nullptr || !sample->is_object()) return std::nullopt;
  return Sample{count_at(*line, "number"), json::serialize(*sample)};
}

// Each line by `read`, which gives nothing for one that is none of `what`.
template <class T>
Result<std::vector<T>> read_lines(std::string_view lines,
                                  std::optional<T> (*read)(std::string_view),
                                  std::string_view what) {
  std::vector<T> all;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    if (line.empty()) continue;
    auto one = read(line);
    if (!one)
      return invalid("line " + std::to_string(number) + " of the gateway's " + std::string(what) +
                     " is none");
    all.push_back(*std::move(one));
  }
  return all;
}

Error no_answer(const net::Response& response) {
  return {Code::kUnavailable, "the gateway answers with status " + std::to_string(response.status) +
                                  ": " + response.body};
}

std::uint64_t number_in(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

}  // namespace

std::string evidence_target(std::string_view service, std::uint64_t after, std::size_t most) {
  return "/evidence?service=" + std::string(service) + "&after=" + std::to_string(after) +
         "&most=" + std::to_string(std::min(most, kMostEvidence)) + "&wait=0ms";
}

std::string samples_target(std::string_view service, std::string_view scorer, double part,
                           std::size_t most) {
  return "/samples?service=" + std::string(service) + "&scorer=" + std::string(scorer) +
         "&part=" + std::to_string(part) + "&most=" + std::to_string(most);
}

std::string scores_target(std::string_view service, std::string_view scorer) {
  return "/scores?service=" + std::string(service) + "&scorer=" + std::string(scorer);
}

std::string ask_target(std::string_view service, std::chrono::milliseconds within) {
  return "/ask?service=" + std::string(service) + "&within=" + std::to_string(within.count()) +
         "ms";
}

Status check_names(std::string_view service, std::string_view scorer) {
  if (!is_name(service)) return invalid("\"" + std::string(service) + "\" is no name", "service");
  if (!is_name(scorer)) return invalid("\"" + std::string(scorer) + "\" is no name", "scorer");
  return {};
}

Result<GatewayPage> read_page(const net::Response& response, std::uint64_t after) {
  GatewayPage page;
  page.next = after;
  // The gateway does not know a service of which it was told nothing.
  if (response.status == 404) return page;
  if (response.status != 200) return fail(no_answer(response));
  SERIN_TRY_ASSIGN(page.records, read_evidence(response.body));
  page.next = number_in(response.headers.get("serin-next"), after);
  page.lost = number_in(response.headers.get("serin-lost"), 0);
  return page;
}

Result<std::vector<Sample>> read_samples(const net::Response& response) {
  if (response.status == 404) return std::vector<Sample>();
  if (response.status != 200) return fail(no_answer(response));
  return read_samples(response.body);
}

Status read_scored(const net::Response& response) {
  // The service may be gone meanwhile.
  if (response.status == 200 || response.status == 404) return {};
  return fail(no_answer(response));
}

Result<std::vector<Evidence>> read_evidence(std::string_view lines) {
  return read_lines(lines, read_line, "evidence");
}

Result<std::vector<Sample>> read_samples(std::string_view lines) {
  return read_lines(lines, read_sample, "samples");
}

std::string write_scores(const std::vector<SampleScore>& scores) {
  std::string lines;
  for (const SampleScore& score : scores) {
    json::object line{{"number", score.number}, {"score", nullptr}};
    if (score.score) line["score"] = *score.score;
    lines += json::serialize(line) + "\n";
  }
  return lines;
}

}  // namespace serin::platform
