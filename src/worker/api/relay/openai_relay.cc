// SPDX-License-Identifier: Apache-2.0
// OpenAI's API in front of an upstream that speaks it: requests go on as they are, but for the
// model's name; what the upstream does not know is its own to refuse.
#include "worker/api/generate/generate.h"
#include "worker/api/medium.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/text.h"
#include "worker/api/relay/outgoing.h"
#include "worker/api/relay/readers.h"
#include "worker/api/relay/relay_routes.h"

namespace serin::worker::api {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEvents = "text/event-stream";

void send(const std::shared_ptr<Call>& call, const Outgoing& outgoing, std::string_view accept,
          std::shared_ptr<AnswerReader> reader) {
  Relay& relay = *call->context().relay;
  net::ClientRequest request = relay.upstream().request("POST", outgoing.path);
  request.headers.add("content-type", kJson);
  request.headers.add("accept", accept);
  request.body = json::serialize(outgoing.body);
  relay.send(call, std::move(request), std::move(reader));
}

// Hands over the answer's JSON, renamed and counted.
std::shared_ptr<AnswerReader> object_reader(const std::shared_ptr<Call>& call,
                                            std::function<Status(json::object)> then) {
  return std::make_shared<WholeReader>(
      call,
      [call, then = std::move(then)](const net::ResponseHead&, const std::string& body) -> Status {
        SERIN_TRY_ASSIGN(json::object answer, read_upstream_object(body));
        rename_model(answer, call->context().service());
        count_usage(*call, answer);
        call->describe();
        return then(std::move(answer));
      });
}

bool is_true(const json::object& body, std::string_view name) {
  const json::value* value = body.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

Result<Outgoing> passed_on(const Context& context, std::string path, json::object body) {
  Fields fields(body);
  SERIN_TRY(check_model(context, fields));
  if (fields.any("serin_continue") != nullptr)
    return wrong_field("serin_continue", "left out: what an upstream began cannot be gone on with");
  body["model"] = context.package.manifest.remote->model;
  return Outgoing{std::move(path), std::move(body), 0};
}

void relay_text(const std::shared_ptr<Call>& call, const std::string& path, bool wants_done) {
  auto read = [call, path](const json::object& body) {
    return passed_on(call->context(), path, body);
  };
  call->read_object(read, [call, wants_done](const Outgoing& outgoing) {
    if (is_true(outgoing.body, "stream")) {
      const auto pass = [call](const RelayedEvent& event) { call->send_event(event.event); };
      return send(call, outgoing, kEvents, std::make_shared<EventReader>(call, wants_done, pass));
    }
    send(call, outgoing, kJson, object_reader(call, [call](const json::object& answer) -> Status {
           call->respond_json(answer);
           return {};
         }));
  });
}

void relay_speech(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto read = [call](const json::object& body) {
    return passed_on(call->context(), "/audio/speech", body);
  };
  call->read_object(read, [call](const Outgoing& outgoing) {
    send(call, outgoing, "*/*", std::make_shared<MediumReader>(call, ""));
  });
}

json::object outputs_json(std::string_view name, json::object output) {
  json::object outputs;
  outputs[name] = std::move(output);
  return {{"outputs", std::move(outputs)}};
}

// The events of POST /generate: `token` for each piece, `result` at the end.
std::shared_ptr<AnswerReader> token_reader(const std::shared_ptr<Call>& call) {
  struct Written {
    std::string text;
    std::int64_t tokens = 0;
  };
  auto written = std::make_shared<Written>();
  return std::make_shared<EventReader>(call, true, [call, written](const RelayedEvent& event) {
    if (event.last) {
      const json::object result = outputs_json("text", {{"text", written->text}});
      return call->send_event({"result", json::serialize(result), {}});
    }
    const auto text = text_in(event.data);
    if (!text || text->empty()) return;
    written->text += *text;
    const json::object token{{"text", *text}, {"index", written->tokens++}};
    call->send_event({"token", json::serialize(token), {}});
  });
}

std::shared_ptr<AnswerReader> text_reader(const std::shared_ptr<Call>& call, bool as_json) {
  return object_reader(call, [call, as_json](const json::object& answer) -> Status {
    auto text = text_in(answer);
    if (!text) return fail(bad_upstream("answered without a text"));
    if (as_json) {
      call->respond_json(outputs_json("text", {{"text", *text}}));
    } else {
      call->respond({200, {{"content-type", "text/plain; charset=utf-8"}}, *std::move(text)});
    }
    return {};
  });
}

std::shared_ptr<AnswerReader> picture_reader(const std::shared_ptr<Call>& call) {
  return object_reader(call, [call](const json::object& answer) -> Status {
    SERIN_TRY_ASSIGN(std::string bytes, image_in(answer));
    const std::string_view type = image_type(bytes);
    if (type.empty()) return fail(bad_upstream("gave a picture of no known type"));
    call->respond({200, {{"content-type", type}}, std::move(bytes)});
    return {};
  });
}

void generate_text(const std::shared_ptr<Call>& call, Outgoing outgoing) {
  const model::Output output{"text", "", model::TextOutput{}};
  const auto type = acceptable(output, call->head().headers.get("accept"), {kJson, kEvents});
  if (!type) return call->respond(not_acceptable(output));
  if (type != kEvents) return send(call, outgoing, kJson, text_reader(call, type == kJson));
  outgoing.body["stream"] = true;
  send(call, outgoing, kEvents, token_reader(call));
}

void generate_one(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto read = [call](const json::object& fields) {
    return openai_generate(call->context().package.manifest, fields);
  };
  call->read_object(read, [call](Outgoing outgoing) {
    const model::Task task = call->context().package.manifest.task;
    if (task == model::Task::kTextGeneration) return generate_text(call, std::move(outgoing));
    if (task == model::Task::kAudioGeneration)
      return send(call, outgoing, "*/*", std::make_shared<MediumReader>(call, "audio/"));
    send(call, outgoing, kJson, picture_reader(call));
  });
}

CallHandler text_route(const std::string& path, bool wants_done) {
  return [path, wants_done](const std::shared_ptr<Call>& call, const net::PathParameters&) {
    relay_text(call, path, wants_done);
  };
}

}  // namespace

std::vector<Route> openai_relay_routes() {
  return {{"POST", "/generate", generate_one},
          {"POST", "/v1/completions", text_route("/completions", true)},
          {"POST", "/v1/chat/completions", text_route("/chat/completions", true)},
          {"POST", "/v1/responses", text_route("/responses", true)},
          {"POST", "/v1/images/generations", text_route("/images/generations", false)},
          {"POST", "/v1/audio/speech", relay_speech},
          {"GET", "/v1/models", list_models},
          {"GET", "/v1/models/{model}", get_model}};
}

}  // namespace serin::worker::api
