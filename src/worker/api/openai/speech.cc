// SPDX-License-Identifier: Apache-2.0
// POST /v1/audio/speech (https://platform.openai.com/docs/api-reference/audio/createSpeech).
#include <algorithm>
#include <array>

#include "worker/api/medium.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/prompt_labels.h"
#include "worker/api/openai/text.h"

namespace serin::worker::api {
namespace {

struct NamedFormat {
  std::string_view name, media_type;
};
constexpr std::array<NamedFormat, 6> kFormats = {{{"mp3", "audio/mpeg"},
                                                  {"opus", "audio/ogg"},
                                                  {"aac", "audio/aac"},
                                                  {"flac", "audio/flac"},
                                                  {"wav", "audio/wav"},
                                                  {"pcm", "audio/pcm"}}};

struct Speech {
  const model::Output* output = nullptr;
  std::string media_type;
};

const model::Output* audio_output(const model::Manifest& manifest) {
  for (const model::Output& output : manifest.outputs) {
    if (std::holds_alternative<model::AudioOutput>(output.kind)) return &output;
  }
  return nullptr;
}

// A voice is the label input of that name; a package without one has a single voice, whatever it is
// called.
Status read_voice(const model::Manifest& manifest, Fields& fields, json::object& request) {
  SERIN_TRY_ASSIGN(const auto voice, fields.string("voice"));
  const model::Input* input = manifest.find_input("voice");
  if (voice && input != nullptr) request["voice"] = *voice;
  return {};
}

Result<engine::Request> read(Call& call, const json::object& body, Speech& speech) {
  const model::Manifest& manifest = call.context().package.manifest;
  speech.output = audio_output(manifest);
  if (speech.output == nullptr) {
    return serin::fail(Error{Code::kNotFound,
                             call.context().service() + " makes no sound; see /openapi.json",
                             "unsupported_task"});
  }
  Fields fields(body);
  SERIN_TRY(check_model(call.context(), fields));
  SERIN_TRY_ASSIGN(const auto input, fields.string("input"));
  if (!input) return wrong_field("input", "the text to speak");
  SERIN_TRY_ASSIGN(const auto format, fields.string("response_format"));
  const auto found = std::ranges::find(kFormats, format.value_or("mp3"), &NamedFormat::name);
  if (found == kFormats.end())
    return wrong_field("response_format", "mp3, opus, aac, flac, wav or pcm");
  speech.media_type = found->media_type;
  if (const json::value* speed = fields.any("speed");
      speed != nullptr && *speed != 1 && *speed != 1.0) {
    return wrong_field("speed", "1: this model speaks at one speed");
  }
  SERIN_TRY_ASSIGN(const auto streaming, fields.string("stream_format"));
  if (streaming && *streaming != "audio") return wrong_field("stream_format", "audio");
  json::object request;
  SERIN_TRY(read_voice(manifest, fields, request));
  fields.ignore({"instructions"});
  fields.pass_rest(request);
  SERIN_TRY(apply_prompt(manifest, *input, "input", request));
  return call.parse(request);
}

}  // namespace

void create_speech(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto speech = std::make_shared<Speech>();
  auto understand = [call, speech](const json::object& body) { return read(*call, body, *speech); };
  call->read_object(understand, [call, speech](engine::Request request) {
    std::vector<engine::Request> requests;
    requests.push_back(std::move(request));
    generate(call, std::move(requests), [call, speech](const std::vector<Answer>& answers) {
      auto encode = [speech, sound = answers.front().finished.outputs.at(speech->output->name)] {
        return encode_medium(*speech->output, sound, speech->media_type);
      };
      call->answer(false, std::move(encode), [call, speech](std::string bytes) {
        call->respond({200, {{"content-type", speech->media_type}}, std::move(bytes)});
      });
    });
  });
}

}  // namespace serin::worker::api
