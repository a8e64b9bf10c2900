// SPDX-License-Identifier: Apache-2.0
// POST /v1/responses (https://platform.openai.com/docs/api-reference/responses): one text answer,
// whole or as typed events. Nothing is stored: previous_response_id and background are refused.
#include "worker/api/openai/messages.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/text.h"

namespace serin::worker::api {
namespace {

struct ResponseJob {
  std::string id, item_id;
  std::int64_t created = 0;
  bool stream = false;
  json::object echo;  // the request's settings, repeated in the answer
};

// `input` is a string, or messages; `instructions` go before them.
Result<std::string> prompt_of(const Context& context, Fields& fields) {
  const json::value* input = fields.any("input");
  SERIN_TRY_ASSIGN(const auto instructions, fields.string("instructions"));
  json::array messages;
  if (instructions)
    messages.push_back(json::object{{"role", "system"}, {"content", *instructions}});
  if (input != nullptr && input->is_string()) {
    messages.push_back(json::object{{"role", "user"}, {"content", *input}});
  } else if (input != nullptr && input->is_array()) {
    messages.insert(messages.end(), input->get_array().begin(), input->get_array().end());
  } else {
    return wrong_field("input", "a string or a list of messages");
  }
  const json::value list(std::move(messages));
  return render_messages(context, &list, "input");
}

Status refuse_what_is_not_kept(Fields& fields) {
  for (const std::string_view name : {"previous_response_id", "conversation", "prompt", "tools"}) {
    const json::value* value = fields.any(name);
    const bool nothing = value == nullptr || (value->is_array() && value->get_array().empty());
    if (!nothing) return wrong_field(name, "left out: this worker does not offer it");
  }
  SERIN_TRY_ASSIGN(const auto background, fields.boolean("background"));
  if (background.value_or(false)) return wrong_field("background", "false");
  SERIN_TRY_ASSIGN(const auto text, fields.object("text"));
  const json::value* format = text ? text->if_contains("format") : nullptr;
  const json::value* type =
      format && format->is_object() ? format->get_object().if_contains("type") : nullptr;
  if (type != nullptr && *type != "text") return wrong_field("text.format", "of type text");
  fields.ignore({"tool_choice", "parallel_tool_calls", "reasoning", "truncation", "include",
                 "stream_options", "max_tool_calls", "top_logprobs"});
  return {};
}

Result<engine::Request> read(Call& call, const json::object& body, ResponseJob& job) {
  Fields fields(body);
  SERIN_TRY(check_model(call.context(), fields));
  SERIN_TRY(check_writes_text(call.context()));
  SERIN_TRY_ASSIGN(auto prompt, prompt_of(call.context(), fields));
  SERIN_TRY(refuse_what_is_not_kept(fields));
  SERIN_TRY_ASSIGN(const auto streamed, fields.boolean("stream"));
  job.stream = streamed.value_or(false);
  SERIN_TRY_ASSIGN(auto request, sampling_fields(fields));
  if (const json::value* most = fields.any("max_output_tokens")) request["max_tokens"] = *most;
  SERIN_TRY(fields.no_others());
  auto repeat = [&](std::string_view name, const json::value& otherwise) {
    const json::value* value = body.if_contains(name);
    job.echo[name] = value == nullptr ? otherwise : *value;
  };
  repeat("instructions", nullptr);
  repeat("max_output_tokens", nullptr);
  repeat("metadata", json::object{});
  repeat("temperature", 1.0);
  repeat("top_p", 1.0);
  SERIN_TRY_ASSIGN(auto requests,
                   text_requests(call, std::move(request), {json::value(std::move(prompt))}, 1));
  return std::move(requests.front());
}

json::object content_json(const std::string& text) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", json::array{}},
          {"logprobs", json::array{}}};
}

json::object item_json(const ResponseJob& job, std::string_view status, const std::string* text) {
  json::array content;
  if (text != nullptr) content.push_back(content_json(*text));
  return {{"id", job.item_id},
          {"type", "message"},
          {"status", status},
          {"role", "assistant"},
          {"content", std::move(content)}};
}

// The resource as it stands: without `finished` it is in progress.
json::object response_json(const Context& context, const ResponseJob& job,
                           const engine::Finished* finished) {
  json::object body{{"id", job.id},
                    {"object", "response"},
                    {"created_at", job.created},
                    {"status", "in_progress"},
                    {"error", nullptr},
                    {"incomplete_details", nullptr},
                    {"model", context.service()},
                    {"output", json::array{}},
                    {"parallel_tool_calls", false},
                    {"tool_choice", "none"},
                    {"tools", json::array{}},
                    {"store", false},
                    {"previous_response_id", nullptr},
                    {"usage", nullptr}};
  for (const auto& [name, value] : job.echo) body[name] = value;
  if (finished == nullptr) return body;
  const bool complete = finished->reason == engine::FinishReason::kStop;
  body["status"] = complete ? "completed" : "incomplete";
  if (!complete) body["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
  body["output"] =
      json::array{item_json(job, complete ? "completed" : "incomplete", &finished->text)};
  body["usage"] =
      json::object{{"input_tokens", finished->prompt_tokens},
                   {"input_tokens_details", {{"cached_tokens", 0}}},
                   {"output_tokens", finished->completion_tokens},
                   {"output_tokens_details", {{"reasoning_tokens", 0}}},
                   {"total_tokens", finished->prompt_tokens + finished->completion_tokens}};
  return body;
}

class ResponseStream {
 public:
  ResponseStream(std::shared_ptr<Call> call, std::shared_ptr<const ResponseJob> job)
      : call_(std::move(call)), job_(std::move(job)) {}

  void take(engine::Event event) {
    if (auto* token = std::get_if<engine::Token>(&event)) {
      begin();
      delta(token->text);
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      begin();
      if (const auto rest = remainder(*finished, bytes_); !rest.empty()) delta(rest);
      end(*finished);
    } else if (auto* failed = std::get_if<engine::Failed>(&event)) {
      call_->fail_stream(failed->error);
    }
  }

 private:
  void send(std::string_view type, json::object body) {
    body["type"] = type;
    body["sequence_number"] = sequence_++;
    call_->send_event({std::string(type), json::serialize(body), {}});
  }

  json::object place() const {
    return {{"item_id", job_->item_id}, {"output_index", 0}, {"content_index", 0}};
  }

  void begin() {
    if (sequence_ > 0) return;
    const json::object now = response_json(call_->context(), *job_, nullptr);
    send("response.created", {{"response", now}});
    send("response.in_progress", {{"response", now}});
    send("response.output_item.added",
         {{"output_index", 0}, {"item", item_json(*job_, "in_progress", nullptr)}});
    json::object part = place();
    part["part"] = content_json("");
    send("response.content_part.added", std::move(part));
  }

  void delta(const std::string& text) {
    bytes_ += text.size();
    json::object body = place();
    body["delta"] = text;
    body["logprobs"] = json::array{};
    send("response.output_text.delta", std::move(body));
  }

  void end(const engine::Finished& finished) {
    json::object text = place();
    text["text"] = finished.text;
    text["logprobs"] = json::array{};
    send("response.output_text.done", std::move(text));
    json::object part = place();
    part["part"] = content_json(finished.text);
    send("response.content_part.done", std::move(part));
    const json::object body = response_json(call_->context(), *job_, &finished);
    send("response.output_item.done", {{"output_index", 0}, {"item", body.at("output").at(0)}});
    const bool complete = finished.reason == engine::FinishReason::kStop;
    send(complete ? "response.completed" : "response.incomplete", {{"response", body}});
    call_->finish_stream();
  }

  std::shared_ptr<Call> call_;
  std::shared_ptr<const ResponseJob> job_;
  std::int64_t sequence_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace

void create_response(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto job = std::make_shared<ResponseJob>();
  job->id = new_id("resp_");
  job->item_id = new_id("msg_");
  job->created = unix_seconds(call->context().clock);
  auto understand = [call, job](const json::object& body) { return read(*call, body, *job); };
  call->read_object(understand, [call, job](engine::Request request) {
    std::vector<engine::Request> requests;
    requests.push_back(std::move(request));
    if (!job->stream) {
      return generate(call, std::move(requests), [call, job](const std::vector<Answer>& answers) {
        call->respond_json(response_json(call->context(), *job, &answers.front().finished));
      });
    }
    auto out = std::make_shared<ResponseStream>(call, job);
    const auto admitted =
        stream(call, std::move(requests),
               [out](std::size_t, engine::Event event) { out->take(std::move(event)); });
    if (!admitted) call->fail(admitted.error());
  });
}

}  // namespace serin::worker::api
