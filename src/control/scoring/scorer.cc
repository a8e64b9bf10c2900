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
  auto run =
      run_command({.arguments = spec.command, .input = std::move(input)}, timeout_of(spec), cancel);
  if (!run) return fail(Code::kUnavailable, std::move(run).error().message);
  const Exit& ended = *run;
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
  return std::move(run->output);
}

// Whether it was never asked. Any other failure may be the sample's, which then is done with: one
// that fails whenever it is asked about must not keep the others waiting.
bool is_away(const Error& error) { return error.code == Code::kUnavailable; }

Status check_status(int status, std::string_view body) {
  if (status == 200) return {};
  const bool away = status == 404 || status == 429 || status == 502 || status == 503;
  return fail(away ? Code::kUnavailable : Code::kUnknown,
              "it answered " + std::to_string(status) + ": " + std::string(shown(body)));
}

Result<double> score_of_server(const ScorerSpec& spec, const platform::Sample& sample,
                               net::Client& client, const CancelToken& cancel) {
  net::ClientRequest request;
  request.url = spec.url;
  request.method = "POST";
  request.headers = {{"content-type", "application/json"}};
  request.body = sample.json;
  request.timeout = timeout_of(spec);
  request.cancel = cancel;
  SERIN_TRY_ASSIGN(net::Response answer, client.fetch(std::move(request)));
  SERIN_TRY(check_status(answer.status, answer.body));
  return read_score(answer.body);
}

Result<double> score_of_service(const ScorerSpec& spec, const platform::Sample& sample,
                                platform::Platform& platform, const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(std::string question, question_of(sample.json));
  SERIN_TRY_ASSIGN(const platform::Reply reply,
                   platform.ask(spec.service, std::move(question), timeout_of(spec), cancel));
  SERIN_TRY(check_status(reply.status, reply.body));
  return read_prediction(reply.body);
}

const json::value* member(const json::value* value, std::string_view name) {
  const json::object* fields = value == nullptr ? nullptr : value->if_object();
  return fields == nullptr ? nullptr : fields->if_contains(name);
}

// The only element of a list, or the only value of an object; null where it is not the only one.
const json::value* only(const json::value* value) {
  if (value == nullptr) return nullptr;
  if (const json::array* list = value->if_array())
    return list->size() == 1 ? list->data() : nullptr;
  const json::object* fields = value->if_object();
  return fields != nullptr && fields->size() == 1 ? &fields->begin()->value() : nullptr;
}

bool is_score(const json::value* value) {
  if (value == nullptr || !value->is_number()) return false;
  const double number = value->to_number<double>();
  return number >= 0 && number <= 1;
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
  const json::value* score = value ? member(&*value, "score") : nullptr;
  if (is_score(score)) return score->to_number<double>();
  return invalid("it said \"" + std::string(shown(line)) +
                 "\", which is not {\"score\": a number from 0 to 1}");
}

Result<std::string> question_of(std::string_view sample) {
  SERIN_TRY_ASSIGN(const json::value fields, parse_json(sample));
  const json::value* answer = member(&fields, "answer");
  if (answer == nullptr) answer = member(member(&fields, "response"), "base64");
  if (answer == nullptr)
    return invalid("an answer is neither a text of a known form nor a picture or a sound");
  json::object instance{{"answer", *answer}};
  if (const json::value* prompt = member(&fields, "prompt")) instance["prompt"] = *prompt;
  return json::serialize(json::object{{"instances", json::array{std::move(instance)}}});
}

Result<double> read_prediction(std::string_view answer) {
  const auto value = parse_json(answer);
  const json::value* output = value ? only(only(member(&*value, "predictions"))) : nullptr;
  const json::value* score = only(member(output, "data"));
  if (is_score(score)) return score->to_number<double>();
  return invalid("it answered \"" + std::string(shown(answer)) +
                 "\", which is not one output of one number from 0 to 1");
}

Scored run_scorer(const ScorerSpec& spec, const std::vector<platform::Sample>& samples,
                  net::Client& client, platform::Platform& platform, const CancelToken& cancel) {
  Scored scored;
  const auto output =
      spec.command.empty() ? Result<std::string>() : output_of(spec, samples, cancel);
  std::string_view lines = output ? std::string_view(*output) : std::string_view();
  for (const platform::Sample& sample : samples) {
    if (cancel.cancelled()) return {};
    const auto score = [&]() -> Result<double> {
      if (!spec.service.empty()) return score_of_service(spec, sample, platform, cancel);
      if (!spec.url.empty()) return score_of_server(spec, sample, client, cancel);
      if (!output) return fail(output.error());
      return read_score(take_line(lines));
    }();
    if (!score && is_away(score.error())) {
      if (scored.trouble.empty()) scored.trouble = score.error().message;
      break;
    }
    add(scored, sample.number, score);
  }
  if (cancel.cancelled()) return {};
  return scored;
}

}  // namespace serin::control
