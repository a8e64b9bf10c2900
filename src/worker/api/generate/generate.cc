// SPDX-License-Identifier: Apache-2.0
// POST /generate: a request's fields are the package's inputs, and the answer is the medium itself.
#include "worker/api/generate/generate.h"

#include "base/base64.h"
#include "net/http/error_body.h"
#include "worker/api/generation.h"
#include "worker/api/medium.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kEvents = "text/event-stream";

const model::Output& first_output(const Call& call) {
  return call.context().package.manifest.outputs.front();
}

// One output as JSON: text as it is, tensors in the output's own medium as base64.
Result<json::object> output_json(const model::Output& output, const Answer& answer) {
  if (std::holds_alternative<model::TextOutput>(output.kind)) {
    return json::object{{"text", answer.finished.text}};
  }
  const std::string_view type = media_types(output).front();
  SERIN_TRY_ASSIGN(const auto bytes,
                   encode_medium(output, answer.finished.outputs.at(output.name), type));
  return json::object{{"media_type", type}, {"base64", to_base64(bytes)}};
}

Result<json::object> answer_json(const Call& call, std::uint64_t seed, const Answer& answer) {
  json::object outputs;
  for (const model::Output& output : call.context().package.manifest.outputs) {
    SERIN_TRY_ASSIGN(outputs[output.name], output_json(output, answer));
  }
  return json::object{{"seed", seed}, {"outputs", std::move(outputs)}};
}

void answer_with_medium(const std::shared_ptr<Call>& call, const Answer& answer,
                        const std::string& type) {
  const model::Output& output = first_output(*call);
  if (std::holds_alternative<model::TextOutput>(output.kind)) {
    return call->respond(
        {200, {{"content-type", "text/plain; charset=utf-8"}}, answer.finished.text});
  }
  const Tensor tensor = answer.finished.outputs.at(output.name);
  auto encode = [&output, type, tensor] { return encode_medium(output, tensor, type); };
  auto respond = [call, type](std::string bytes) {
    call->respond({200, {{"content-type", type}}, std::move(bytes)});
  };
  call->answer(quick_to_encode(output, tensor), encode, respond);
}

void answer_with_json(const std::shared_ptr<Call>& call, std::uint64_t seed, Answer answer) {
  call->answer(
      false, [call, seed, answer = std::move(answer)] { return answer_json(*call, seed, answer); },
      [call](const json::object& body) { call->respond_json(body); });
}

// Progress (with a preview where the loop has one), tokens, and at the end what `application/json`
// gives.
void answer_with_events(const std::shared_ptr<Call>& call, engine::Request request) {
  const std::uint64_t seed = request.seed;
  request.previews = true;
  auto on_event = [call, seed](std::size_t, engine::Event event) {
    if (const auto* token = std::get_if<engine::Token>(&event)) {
      call->send_event(
          {"token",
           json::serialize(json::object{{"text", token->text}, {"index", token->index}}),
           {}});
    } else if (const auto* progress = std::get_if<engine::Progress>(&event)) {
      json::object body{{"step", progress->step}, {"steps", progress->steps}};
      const model::Output& output = first_output(*call);
      if (progress->preview && quick_to_encode(output, *progress->preview)) {
        const std::string_view type = media_types(output).front();
        if (const auto bytes = encode_medium(output, *progress->preview, type)) {
          body["preview"] = json::object{{"media_type", type}, {"base64", to_base64(*bytes)}};
        }
      }
      call->send_event({"progress", json::serialize(body), {}});
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      call->answer(
          false,
          [call, seed, answer = Answer{std::move(*finished), {}}] {
            return answer_json(*call, seed, answer);
          },
          [call](const json::object& body) {
            call->send_event({"result", json::serialize(body), {}});
            call->finish_stream();
          });
    } else if (auto* failed = std::get_if<engine::Failed>(&event)) {
      call->fail_stream(failed->error);
    }
  };
  std::vector<engine::Request> requests;
  requests.push_back(std::move(request));
  if (auto admitted = stream(call, std::move(requests), on_event); !admitted) {
    call->fail(admitted.error());
  }
}

void generate_one(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  const auto type =
      acceptable(first_output(*call), call->head().headers.get("accept"), {kJson, kEvents});
  if (!type) return call->respond(not_acceptable(first_output(*call)));
  auto read = [call](const json::object& fields) { return call->parse(fields); };
  call->read_object(read, [call, type = *type](engine::Request request) {
    if (type == kEvents) return answer_with_events(call, std::move(request));
    const std::uint64_t seed = request.seed;
    std::vector<engine::Request> requests;
    requests.push_back(std::move(request));
    generate(call, std::move(requests), [call, type, seed](std::vector<Answer> answers) {
      if (type == kJson) return answer_with_json(call, seed, std::move(answers.front()));
      answer_with_medium(call, answers.front(), type);
    });
  });
}

}  // namespace

net::Response not_acceptable(const model::Output& output) {
  std::string list;
  for (const std::string_view type : media_types(output)) list += std::string(type) + ", ";
  net::Response response = net::error_response(
      {Code::kInvalidArgument,
       "this package answers with " + list + "application/json or text/event-stream",
       "not_acceptable", "Accept"});
  response.status = 406;
  return response;
}

std::vector<Route> generate_routes() { return {{"POST", "/generate", generate_one}}; }

}  // namespace serin::worker::api
