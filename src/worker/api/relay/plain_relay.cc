// SPDX-License-Identifier: Apache-2.0
// In front of any HTTP server with one path: its inputs as JSON, its answer as the medium that it
// is. OpenAI's APIs for pictures and sound work too where the package makes them.
#include <algorithm>

#include "base/base64.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/text.h"
#include "worker/api/relay/outgoing.h"
#include "worker/api/relay/readers.h"
#include "worker/api/relay/relay_routes.h"

namespace serin::worker::api {
namespace {

// What an answer's type must begin with, by what the package makes; empty: anything.
std::string medium_of(model::Task task) {
  switch (task) {
    case model::Task::kImageGeneration:
      return "image/";
    case model::Task::kAudioGeneration:
      return "audio/";
    case model::Task::kVideoGeneration:
      return "video/";
    case model::Task::kTextGeneration:
      return "text/";
    case model::Task::kInference:
      return "";
  }
  return "";
}

Result<Outgoing> read(const Call& call, const json::object& fields) {
  return plain_generate(call.context().package.manifest, call.context().parser, fields);
}

void send(const std::shared_ptr<Call>& call, const Outgoing& outgoing,
          std::shared_ptr<AnswerReader> reader) {
  call->describe(outgoing.seed);
  Relay& relay = *call->context().relay;
  net::ClientRequest request = relay.upstream().request("POST", outgoing.path);
  request.headers.add("content-type", "application/json");
  if (const auto accept = call->head().headers.find("accept"))
    request.headers.add("accept", *accept);
  request.body = json::serialize(outgoing.body);
  relay.send(call, std::move(request), std::move(reader));
}

void generate_one(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto understand = [call](const json::object& fields) { return read(*call, fields); };
  call->read_object(understand, [call](const Outgoing& outgoing) {
    const std::string kind = medium_of(call->context().package.manifest.task);
    send(call, outgoing, std::make_shared<MediumReader>(call, kind));
  });
}

// OpenAI's words for a package's inputs: `from` becomes the first text input, fields that are
// inputs stay, and those that only OpenAI's own models know are left out.
Result<Outgoing> read_as(const Call& call, const json::object& body, std::string_view from,
                         std::initializer_list<std::string_view> unknown_here) {
  const Context& context = call.context();
  const auto& inputs = context.package.manifest.inputs;
  Fields fields(body);
  SERIN_TRY(check_model(context, fields));
  SERIN_TRY_ASSIGN(const auto words, fields.string(from));
  const auto text = std::ranges::find_if(inputs, [](const model::Input& input) {
    return std::holds_alternative<model::TextInput>(input.kind);
  });
  json::object made;
  if (words && text != inputs.end()) made[text->name] = *words;
  for (const std::string_view name : unknown_here) {
    if (context.package.manifest.find_input(name) == nullptr) fields.ignore({name});
  }
  fields.pass_rest(made);
  return read(call, made);
}

void create_picture(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto understand = [call](const json::object& body) {
    return read_as(
        *call, body, "prompt",
        {"n", "size", "quality", "style", "user", "response_format", "background", "moderation"});
  };
  call->read_object(understand, [call](const Outgoing& outgoing) {
    const auto done = [call](const net::ResponseHead& head, const std::string& bytes) -> Status {
      if (!head.headers.get("content-type").starts_with("image/"))
        return fail(bad_upstream("answered with what is no picture"));
      call->respond_json({{"created", unix_seconds(call->context().clock)},
                          {"data", json::array{json::object{{"b64_json", to_base64(bytes)}}}}});
      return {};
    };
    send(call, outgoing, std::make_shared<WholeReader>(call, done));
  });
}

void create_sound(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto understand = [call](const json::object& body) {
    return read_as(*call, body, "input", {"voice", "response_format", "speed", "instructions"});
  };
  call->read_object(understand, [call](const Outgoing& outgoing) {
    send(call, outgoing, std::make_shared<MediumReader>(call, "audio/"));
  });
}

}  // namespace

std::vector<Route> plain_relay_routes() {
  return {{"POST", "/generate", generate_one},
          {"POST", "/v1/images/generations", create_picture},
          {"POST", "/v1/audio/speech", create_sound},
          {"GET", "/v1/models", list_models},
          {"GET", "/v1/models/{model}", get_model}};
}

}  // namespace serin::worker::api
