// SPDX-License-Identifier: Apache-2.0
#include "control/scoring/scorer.h"

#include <algorithm>

#include "base/json.h"
#include "base/subprocess.h"
#include "base/words.h"

namespace serin::control {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kShown = 200;  // bytes of what somebody else said

std::string_view shown(std::string_view text) { return text.substr(0, kShown); }

milliseconds timeout_of(const ScorerSpec& spec) {
  return std::chrono::duration_cast<milliseconds>(spec.timeout);
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// What the command wrote, a line a sample.
Result<std::string> output_of(const ScorerSpec& spec, const std::vector<platform::Sample>& samples,
                              const CancelToken& cancel) {
  std::string input;
  for (const platform::Sample& sample : samples) input += sample.json + "\n";
  SERIN_TRY_ASSIGN(Exit ended, run_command({.arguments = spec.command, .input = std::move(input)},
                                           timeout_of(spec), cancel));
  if (ended.timed_out)
    return fail(Code::kDeadlineExceeded,
                "it did not end within " + std::to_string(timeout_of(spec).count()) + " ms");
  if (!ended.ok())
    return fail(Code::kUnknown, "it ended with " + std::to_string(ended.code) + ": " +
                                    std::string(shown(last_line(ended.errors))));
  const auto lines = static_cast<std::size_t>(std::ranges::count(ended.output, '\n')) +
                     (ended.output.empty() || ended.output.ends_with('\n') ? 0 : 1);
  if (lines != samples.size())
    return invalid("it wrote " + std::to_string(lines) + " lines for " +
                   std::to_string(samples.size()) + " answers: which is whose is not known");
  return std::move(ended.output);
}

Result<std::string> answer_of(const ScorerSpec& spec, const platform::Sample& sample,
                              net::Client& client, const CancelToken& cancel) {
  net::ClientRequest request;
  request.url = spec.url;
  request.method = "POST";
  request.headers = {{"content-type", "application/json"}};
  request.body = sample.json;
  request.timeout = timeout_of(spec);
  request.cancel = cancel;
  SERIN_TRY_ASSIGN(net::Response answer, client.fetch(std::move(request)));
  if (answer.status != 200)
    return fail(Code::kUnavailable, "it answered " + std::to_string(answer.status) + ": " +
                                        std::string(shown(answer.body)));
  return std::move(answer.body);
}

void add(Scored& scored, std::uint64_t number, const Result<double>& score) {
  scored.scores.push_back({number, std::nullopt});
  if (score) {
    scored.scores.back().score = *score;
    return;
  }
  ++scored.failed;
  if (scored.trouble.empty()) scored.trouble = score.error().message;
}

}  // namespace

Result<double> read_score(std::string_view line) {
  const auto value = parse_json(line);
  const json::object* fields = value ? value->if_object() : nullptr;
  const json::value* score = fields == nullptr ? nullptr : fields->if_contains("score");
  const double number = score != nullptr && score->is_number() ? score->to_number<double>() : -1;
  if (number >= 0 && number <= 1) return number;
  return invalid("it said \"" + std::string(shown(line)) +
                 "\", which is not {\"score\": a number from 0 to 1}");
}

Scored run_scorer(const ScorerSpec& spec, const std::vector<platform::Sample>& samples,
                  net::Client& client, const CancelToken& cancel) {
  Scored scored;
  const auto output =
      spec.command.empty() ? Result<std::string>() : output_of(spec, samples, cancel);
  std::string_view lines = output ? std::string_view(*output) : std::string_view();
  for (const platform::Sample& sample : samples) {
    if (cancel.cancelled()) return {};
    const auto line = [&]() -> Result<std::string> {
      if (spec.command.empty()) return answer_of(spec, sample, client, cancel);
      if (!output) return fail(output.error());
      return std::string(take_line(lines));
    }();
    add(scored, sample.number, line ? read_score(*line) : fail(line.error()));
  }
  if (cancel.cancelled()) return {};
  return scored;
}

}  // namespace serin::control
