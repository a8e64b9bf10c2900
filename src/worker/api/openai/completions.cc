// SPDX-License-Identifier: Apache-2.0
// POST /v1/completions (https://platform.openai.com/docs/api-reference/completions).
#include "worker/api/openai/openai.h"
#include "worker/api/openai/text.h"

namespace serin::worker::api {
namespace {

struct Completion {
  std::vector<json::value> prompts;
  std::int64_t n = 1;
  bool echo = false;
  bool continued = false;  // it has begun elsewhere
  std::optional<std::int64_t> logprobs;
  StreamOptions stream;
  std::string id;
  std::int64_t created = 0;
};

// A string, an array of strings, token ids, or an array of arrays of token ids.
Result<std::vector<json::value>> prompts_of(const json::value* prompt) {
  if (prompt == nullptr) return std::vector<json::value>{json::value("")};
  if (!prompt->is_array()) return std::vector<json::value>{*prompt};
  const json::array& list = prompt->get_array();
  if (list.empty()) return wrong_field("prompt", "a string, token ids, or a list of either");
  if (list.front().is_number()) return std::vector<json::value>{*prompt};
  return std::vector<json::value>(list.begin(), list.end());
}

Result<std::vector<engine::Request>> read(Call& call, const json::object& body, Completion& out) {
  Fields fields(body);
  SERIN_TRY(check_model(call.context(), fields));
  SERIN_TRY(check_writes_text(call.context()));
  SERIN_TRY_ASSIGN(out.prompts, prompts_of(fields.any("prompt")));
  SERIN_TRY_ASSIGN(const auto n, fields.integer("n", 1, 128));
  SERIN_TRY_ASSIGN(const auto best_of, fields.integer("best_of", 1, 20));
  out.n = n.value_or(1);
  if (best_of && *best_of != out.n)
    return wrong_field("best_of", "the same as n: answers are not ranked here");
  SERIN_TRY_ASSIGN(const auto echo, fields.boolean("echo"));
  out.echo = echo.value_or(false);
  SERIN_TRY_ASSIGN(out.logprobs, fields.integer("logprobs", 0, 20));
  if (fields.any("suffix") != nullptr)
    return wrong_field("suffix", "left out: text is only continued here");
  SERIN_TRY_ASSIGN(out.stream, stream_options(fields, call.head()));
  SERIN_TRY_ASSIGN(auto request, sampling_fields(fields));
  fields.pass({"max_tokens"}, request);
  if (!request.contains("max_tokens")) request["max_tokens"] = 16;  // OpenAI's default
  const json::value* continued = fields.any("serin_continue");
  if (out.logprobs) request["logprobs"] = *out.logprobs;
  SERIN_TRY(fields.no_others());
  SERIN_TRY_ASSIGN(auto requests, text_requests(call, std::move(request), out.prompts, out.n));
  if (continued != nullptr) SERIN_TRY(resume_answer(call.context(), *continued, requests));
  out.continued = !requests.front().continued.empty();
  return requests;
}

json::object logprobs_json(const Context& context, const std::vector<engine::Token>& tokens) {
  json::array texts;
  json::array values;
  json::array tops;
  json::array offsets;
  std::int64_t offset = 0;
  for (const engine::Token& token : tokens) {
    texts.emplace_back(token.text);
    values.emplace_back(token.logprob);
    json::object top;
    // Tokens that are parts of a character have one text: the likeliest of them stands for all.
    for (const auto& [id, logprob] : token.top) top.emplace(token_text(context, id), logprob);
    tops.emplace_back(std::move(top));
    offsets.emplace_back(offset);
    offset += static_cast<std::int64_t>(token.text.size());
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

json::object envelope(const Context& context, const Completion& completion) {
  return {{"id", completion.id},
          {"object", "text_completion"},
          {"created", completion.created},
          {"model", context.service()},
          {"system_fingerprint", context.package.digest}};
}

std::string echoed(const Completion& completion, std::size_t index) {
  const json::value& prompt = completion.prompts[index / static_cast<std::size_t>(completion.n)];
  const bool shown = completion.echo && !completion.continued && prompt.is_string();
  return shown ? std::string(prompt.get_string()) : std::string();
}

void answer_whole(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
                  std::shared_ptr<const Completion> completion) {
  generate(call, std::move(requests), [call, completion](const std::vector<Answer>& answers) {
    json::array list;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      json::value logprobs;
      if (completion->logprobs) logprobs = logprobs_json(call->context(), answers[i].tokens);
      list.push_back(json::object{{"index", i},
                                  {"text", echoed(*completion, i) + answers[i].finished.text},
                                  {"logprobs", std::move(logprobs)},
                                  {"finish_reason", finish_reason(answers[i].finished.reason)}});
    }
    json::object body = envelope(call->context(), *completion);
    body["choices"] = std::move(list);
    body["usage"] = usage_of(answers, completion->n);
    call->respond_json(body);
  });
}

class CompletionStream {
 public:
  CompletionStream(std::shared_ptr<Call> call, std::shared_ptr<const Completion> completion,
                   std::size_t count)
      : call_(std::move(call)),
        completion_(std::move(completion)),
        answers_(count),
        bytes_(count),
        begun_(count) {}

  void take(std::size_t index, engine::Event event) {
    if (auto* token = std::get_if<engine::Token>(&event)) {
      send(index, token->text, token, nullptr);
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      send(index, remainder(*finished, bytes_[index]), nullptr, finished);
      answers_[index].finished = std::move(*finished);
      if (++finished_ == answers_.size()) end();
    } else if (auto* failed = std::get_if<engine::Failed>(&event)) {
      call_->fail_stream(failed->error);
    }
  }

 private:
  void send(std::size_t index, const std::string& text, const engine::Token* token,
            const engine::Finished* finished) {
    const std::string shown = begun_[index] ? text : echoed(*completion_, index) + text;
    begun_[index] = true;
    bytes_[index] += text.size();
    json::object choice{
        {"index", index}, {"text", shown}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (token != nullptr && completion_->logprobs) {
      choice["logprobs"] = logprobs_json(call_->context(), {*token});
    }
    if (finished != nullptr) choice["finish_reason"] = finish_reason(finished->reason);
    json::object body = envelope(call_->context(), *completion_);
    body["choices"] = json::array{std::move(choice)};
    if (token != nullptr && completion_->stream.include_token_ids) {
      body["serin"] = json::object{{"tokens", json::array{token->id}}};
    }
    call_->send_data(body);
  }

  void end() {
    if (completion_->stream.include_usage) {
      json::object body = envelope(call_->context(), *completion_);
      body["choices"] = json::array{};
      body["usage"] = usage_of(answers_, completion_->n);
      call_->send_data(body);
    }
    call_->send_event({{}, "[DONE]", {}});
    call_->finish_stream();
  }

  std::shared_ptr<Call> call_;
  std::shared_ptr<const Completion> completion_;
  std::vector<Answer> answers_;
  std::vector<std::size_t> bytes_;  // of each answer, streamed so far
  std::vector<bool> begun_;
  std::size_t finished_ = 0;
};

}  // namespace

void create_completion(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto completion = std::make_shared<Completion>();
  completion->id = new_id("cmpl-");
  completion->created = unix_seconds(call->context().clock);
  auto understand = [call, completion](const json::object& body) {
    return read(*call, body, *completion);
  };
  call->read_object(understand, [call, completion](std::vector<engine::Request> requests) {
    if (!completion->stream.stream) return answer_whole(call, std::move(requests), completion);
    auto out = std::make_shared<CompletionStream>(call, completion, requests.size());
    const auto admitted = stream(
        call, std::move(requests),
        [out](std::size_t index, engine::Event event) { out->take(index, std::move(event)); });
    if (!admitted) call->fail(admitted.error());
  });
}

}  // namespace serin::worker::api
