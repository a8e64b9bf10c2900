// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/outgoing.h"

#include <utility>
#include <variant>

#include "engine/dtypes.h"
#include "worker/api/fields.h"

namespace serin::worker::api {
namespace {

json::value number_json(const model::NumberInput& number, double value) {
  return number.integer ? json::value(static_cast<std::int64_t>(value)) : json::value(value);
}

// What an input is when the client says nothing. Labels without a default were drawn from the seed.
json::value default_json(const model::Input& input, const engine::Request& request) {
  if (const auto* label = std::get_if<model::LabelInput>(&input.kind)) {
    const Tensor& chosen = request.inputs.at(input.name);
    std::size_t index = 0;
    while (label->one_hot && engine::load(chosen, index) == 0) ++index;
    if (!label->one_hot) index = static_cast<std::size_t>(engine::load(chosen, 0));
    return json::value(label->labels[index]);
  }
  if (const auto* number = std::get_if<model::NumberInput>(&input.kind))
    return number_json(*number, number->default_value);
  if (const auto* text = std::get_if<model::TextInput>(&input.kind))
    return json::value(text->default_text);
  return nullptr;  // pictures, sound and tensors: the upstream has its own
}

}  // namespace

Result<Outgoing> openai_generate(const model::Manifest& manifest, json::object fields) {
  Outgoing outgoing;
  switch (manifest.task) {
    case model::Task::kImageGeneration:
      outgoing.path = "/images/generations";
      break;
    case model::Task::kAudioGeneration:
      outgoing.path = "/audio/speech";
      if (fields.contains("prompt")) fields["input"] = fields["prompt"];
      fields.erase("prompt");
      break;
    case model::Task::kTextGeneration:
      outgoing.path = fields.contains("messages") ? "/chat/completions" : "/completions";
      break;
    case model::Task::kVideoGeneration:
    case model::Task::kInference:
      return fail(Error{Code::kNotFound, "POST /generate has no meaning for this upstream's task",
                        "unsupported_task"});
  }
  if (manifest.task != model::Task::kAudioGeneration && !fields.contains("messages") &&
      !fields.contains("prompt"))
    fields["prompt"] = "";
  for (const char* own : {"stream", "n"}) {
    if (fields.contains(own))
      return wrong_field(own, "left out; POST /generate makes one answer as Accept says");
  }
  fields["model"] = manifest.remote->model;
  outgoing.body = std::move(fields);
  return outgoing;
}

Result<Outgoing> plain_generate(const model::Manifest& manifest,
                                const engine::RequestParser& parser, const json::object& fields) {
  SERIN_TRY_ASSIGN(const engine::Request request, parser.parse(fields));
  Outgoing outgoing{manifest.remote->path, {}, request.seed};
  for (const model::Input& input : manifest.inputs) {
    const json::value* given = fields.if_contains(input.name);
    json::value value =
        given != nullptr && !given->is_null() ? *given : default_json(input, request);
    if (!value.is_null()) outgoing.body[input.name] = std::move(value);
  }
  outgoing.body["seed"] = request.seed;
  return outgoing;
}

}  // namespace serin::worker::api
