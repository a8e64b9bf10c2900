// SPDX-License-Identifier: Apache-2.0
// POST /v1/chat/completions (https://platform.openai.com/docs/api-reference/chat).
#include "worker/api/openai/messages.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/text.h"

namespace serin::worker::api {
namespace {

struct Chat {
  std::int64_t n = 1;
  bool logprobs = false;
  bool continued = false;  // it has begun elsewhere
  StreamOptions stream;
  std::string id;
  std::int64_t created = 0;
};

Status refuse_what_text_cannot(Fields& fields) {
  SERIN_TRY_ASSIGN(const auto format, fields.object("response_format"));
  if (format && format->contains("type") && format->at("type") != "text") {
    return wrong_field("response_format", "of type text: this engine follows no schema");
  }
  for (const std::string_view name :
       {"tools", "functions", "audio", "web_search_options", "prediction"}) {
    const json::value* value = fields.any(name);
    const bool nothing = value == nullptr || (value->is_array() && value->get_array().empty());
    if (!nothing) return wrong_field(name, "left out: this engine does not offer it");
  }
  fields.ignore(
      {"tool_choice", "parallel_tool_calls", "function_call", "reasoning_effort", "verbosity"});
  if (const json::value* modalities = fields.any("modalities");
      modalities != nullptr && *modalities != json::array{"text"}) {
    return wrong_field("modalities", "[\"text\"]");
  }
  return {};
}

Result<std::vector<engine::Request>> read(Call& call, const json::object& body, Chat& chat) {
  Fields fields(body);
  SERIN_TRY(check_model(call.context(), fields));
  SERIN_TRY(check_writes_text(call.context()));
  SERIN_TRY_ASSIGN(auto prompt,
                   render_messages(call.context(), fields.any("messages"), "messages"));
  SERIN_TRY_ASSIGN(const auto n, fields.integer("n", 1, 128));
  chat.n = n.value_or(1);
  SERIN_TRY_ASSIGN(const auto logprobs, fields.boolean("logprobs"));
  SERIN_TRY_ASSIGN(const auto top, fields.integer("top_logprobs", 0, 20));
  chat.logprobs = logprobs.value_or(false);
  if (top && !chat.logprobs) return wrong_field("top_logprobs", "left out unless logprobs is true");
  SERIN_TRY_ASSIGN(chat.stream, stream_options(fields, call.head()));
  SERIN_TRY(refuse_what_text_cannot(fields));
  SERIN_TRY_ASSIGN(auto request, sampling_fields(fields));
  fields.pass({"max_tokens"}, request);
  if (const json::value* most = fields.any("max_completion_tokens")) request["max_tokens"] = *most;
  const json::value* continued = fields.any("serin_continue");
  if (chat.logprobs) request["logprobs"] = top.value_or(0);
  SERIN_TRY(fields.no_others());
  SERIN_TRY_ASSIGN(auto requests, text_requests(call, std::move(request),
                                                {json::value(std::move(prompt))}, chat.n));
  if (continued != nullptr) SERIN_TRY(resume_answer(call.context(), *continued, requests));
  chat.continued = !requests.front().continued.empty();
  return requests;
}

json::array bytes_json(std::string_view text) {
  json::array bytes;
  for (const char c : text) bytes.emplace_back(static_cast<unsigned char>(c));
  return bytes;
}

json::object logprobs_json(const Context& context, const std::vector<engine::Token>& tokens) {
  json::array content;
  for (const engine::Token& token : tokens) {
    json::array top;
    for (const auto& [id, logprob] : token.top) {
      const std::string text = token_text(context, id);
      top.push_back(
          json::object{{"token", text}, {"logprob", logprob}, {"bytes", bytes_json(text)}});
    }
    const std::string text = token_text(context, token.id);
    content.push_back(json::object{{"token", text},
                                   {"logprob", token.logprob},
                                   {"bytes", bytes_json(text)},
                                   {"top_logprobs", std::move(top)}});
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

json::object envelope(const Context& context, const Chat& chat, std::string_view object) {
  return {{"id", chat.id},
          {"object", object},
          {"created", chat.created},
          {"model", context.service()},
          {"system_fingerprint", context.package.digest}};
}

void answer_whole(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
                  std::shared_ptr<const Chat> chat) {
  generate(call, std::move(requests), [call, chat](const std::vector<Answer>& answers) {
    json::array list;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      json::value logprobs;
      if (chat->logprobs) logprobs = logprobs_json(call->context(), answers[i].tokens);
      json::object message{
          {"role", "assistant"}, {"content", answers[i].finished.text}, {"refusal", nullptr}};
      list.push_back(json::object{{"index", i},
                                  {"message", std::move(message)},
                                  {"logprobs", std::move(logprobs)},
                                  {"finish_reason", finish_reason(answers[i].finished.reason)}});
    }
    json::object body = envelope(call->context(), *chat, "chat.completion");
    body["choices"] = std::move(list);
    body["usage"] = usage_of(answers, chat->n);
    call->respond_json(body);
  });
}

class ChatStream {
 public:
  ChatStream(std::shared_ptr<Call> call, std::shared_ptr<const Chat> chat, std::size_t count)
      : call_(std::move(call)),
        chat_(std::move(chat)),
        answers_(count),
        bytes_(count),
        begun_(count, chat_->continued) {}

  void take(std::size_t index, engine::Event event) {
    if (auto* token = std::get_if<engine::Token>(&event)) {
      begin(index);
      bytes_[index] += token->text.size();
      send(index, {{"content", token->text}}, token, nullptr);
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      begin(index);
      const std::string rest = remainder(*finished, bytes_[index]);
      if (!rest.empty()) send(index, {{"content", rest}}, nullptr, nullptr);
      send(index, {}, nullptr, finished);
      answers_[index].finished = std::move(*finished);
      if (++finished_ == answers_.size()) end();
    } else if (auto* failed = std::get_if<engine::Failed>(&event)) {
      call_->fail_stream(failed->error);
    }
  }

 private:
  // The first chunk of an answer says who speaks.
  void begin(std::size_t index) {
    if (begun_[index]) return;
    begun_[index] = true;
    send(index, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
  }

  void send(std::size_t index, json::object delta, const engine::Token* token,
            const engine::Finished* finished) {
    json::object choice{{"index", index},
                        {"delta", std::move(delta)},
                        {"logprobs", nullptr},
                        {"finish_reason", nullptr}};
    if (token != nullptr && chat_->logprobs)
      choice["logprobs"] = logprobs_json(call_->context(), {*token});
    if (finished != nullptr) choice["finish_reason"] = finish_reason(finished->reason);
    json::object body = envelope(call_->context(), *chat_, "chat.completion.chunk");
    body["choices"] = json::array{std::move(choice)};
    if (token != nullptr && chat_->stream.include_token_ids) {
      body["serin"] = json::object{{"tokens", json::array{token->id}}};
    }
    call_->send_data(body);
  }

  void end() {
    if (chat_->stream.include_usage) {
      json::object body = envelope(call_->context(), *chat_, "chat.completion.chunk");
      body["choices"] = json::array{};
      body["usage"] = usage_of(answers_, chat_->n);
      call_->send_data(body);
    }
    call_->send_event({{}, "[DONE]", {}});
    call_->finish_stream();
  }

  std::shared_ptr<Call> call_;
  std::shared_ptr<const Chat> chat_;
  std::vector<Answer> answers_;
  std::vector<std::size_t> bytes_;
  std::vector<bool> begun_;
  std::size_t finished_ = 0;
};

}  // namespace

void create_chat_completion(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto chat = std::make_shared<Chat>();
  chat->id = new_id("chatcmpl-");
  chat->created = unix_seconds(call->context().clock);
  auto understand = [call, chat](const json::object& body) { return read(*call, body, *chat); };
  call->read_object(understand, [call, chat](std::vector<engine::Request> requests) {
    if (!chat->stream.stream) return answer_whole(call, std::move(requests), chat);
    auto out = std::make_shared<ChatStream>(call, chat, requests.size());
    const auto admitted = stream(
        call, std::move(requests),
        [out](std::size_t index, engine::Event event) { out->take(index, std::move(event)); });
    if (!admitted) call->fail(admitted.error());
  });
}

}  // namespace serin::worker::api
