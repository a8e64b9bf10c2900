// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/video_request.h"

#include <array>
#include <charconv>
#include <cmath>
#include <variant>

#include "base/base64.h"
#include "worker/api/multipart.h"
#include "worker/api/openai/prompt_labels.h"
#include "worker/api/openai/size.h"
#include "worker/api/openai/text.h"
#include "worker/jobs/clip.h"

namespace serin::worker::api {
namespace {

constexpr std::string_view kReference = "input_reference";
constexpr std::size_t kLongestPrompt = 32'000;  // as OpenAI's; kept in memory with its job

const model::Input* image_input(const model::Manifest& manifest) {
  for (const model::Input& input : manifest.inputs) {
    if (std::holds_alternative<model::ImageInput>(input.kind)) return &input;
  }
  return nullptr;
}

bool is_numeric(const model::Manifest& manifest, std::string_view name) {
  if (name == "seed" || name == "steps" || name == "guidance") return true;
  const model::Input* input = manifest.find_input(name);
  return input != nullptr && (std::holds_alternative<model::NumberInput>(input->kind) ||
                              std::holds_alternative<model::TensorInput>(input->kind));
}

json::value value_of(const model::Manifest& manifest, const FormPart& part) {
  if (part.filename) return json::value(to_base64(part.body));
  if (is_numeric(manifest, part.name)) {
    // What is no JSON stays a string, and the package's reader says what it should have been.
    if (auto value = parse_json(part.body)) return *std::move(value);
  }
  return json::value(part.body);
}

// OpenAI's picture to begin with is the package's first image input.
Status read_reference(const model::Manifest& manifest, Fields& fields, json::object& request) {
  const json::value* reference = fields.any(kReference);
  if (reference == nullptr) return {};
  const model::Input* input = image_input(manifest);
  if (input == nullptr) return wrong_field(kReference, "left out: this model takes no picture");
  if (const auto* object = reference->if_object()) reference = object->if_contains("image_url");
  if (reference == nullptr || !reference->is_string()) {
    return wrong_field(kReference, "a picture: a file of a form, or {\"image_url\": \"data:…\"}");
  }
  request[input->name] = *reference;
  return {};
}

// A model makes clips of one length; a client may say so.
Status read_seconds(Fields& fields, const VideoJob& job) {
  const json::value* value = fields.any("seconds");
  if (value == nullptr) return {};
  const std::string only = seconds_of(job.frames, job.frame_rate);
  const std::string given =
      value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
  double seconds = 0;
  const char* end = given.data() + given.size();
  const auto [rest, failed] = std::from_chars(given.data(), end, seconds);
  constexpr double kShown = 0.005;
  const double length = static_cast<double>(job.frames) / job.frame_rate;
  if (failed == std::errc{} && rest == end && std::abs(seconds - length) <= kShown) return {};
  return wrong_field("seconds", "\"" + only + "\", the length of this model's clips");
}

// The model's own, or what every frame is resized to.
Status read_frame_size(const Context& context, Fields& fields, const ClipShape& shape,
                       VideoJob& job) {
  MediumOptions medium{.width = shape.width, .height = shape.height};
  SERIN_TRY(read_size(fields, medium));
  job.width = medium.width;
  job.height = medium.height;
  if (job.width == shape.width && job.height == shape.height) return {};
  return check_pixels(medium, shape.frames, context.options.pixel_bytes);
}

}  // namespace

std::string seconds_of(std::int64_t frames, double frame_rate) {
  std::array<char, 64> text{};
  const double seconds = std::round(static_cast<double>(frames) / frame_rate * 100) / 100;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), seconds).ptr;
  return {text.data(), end};
}

Result<json::object> read_form(const model::Manifest& manifest, std::string_view content_type,
                               std::string_view body) {
  SERIN_TRY_ASSIGN(const std::string boundary, multipart_boundary(content_type));
  SERIN_TRY_ASSIGN(const auto parts, parse_multipart(body, boundary));
  json::object fields;
  for (const FormPart& part : parts) {
    if (!fields.emplace(part.name, value_of(manifest, part)).second) {
      return invalid("the form has two parts of the name " + std::string(part.name),
                     std::string(part.name));
    }
  }
  return fields;
}

Result<VideoRequest> read_video_request(const Context& context, const json::object& body) {
  const model::Manifest& manifest = context.package.manifest;
  const model::Output& output = *video_output(manifest);
  SERIN_TRY_ASSIGN(const ClipShape shape, clip_shape(manifest, output));
  VideoRequest made;
  VideoJob& job = made.job;
  job.frames = shape.frames;
  job.frame_rate = std::get<model::VideoOutput>(output.kind).frame_rate;
  job.bytes = packed_bytes(shape);
  job.package = context.package.digest;
  Fields fields(body);
  SERIN_TRY(check_model(context, fields));
  SERIN_TRY(read_frame_size(context, fields, shape, job));
  SERIN_TRY(read_seconds(fields, job));
  SERIN_TRY_ASSIGN(const auto prompt, fields.string("prompt"));
  job.prompt = prompt.value_or("");
  if (job.prompt.size() > kLongestPrompt) {
    return serin::fail(Error{Code::kInvalidArgument,
                             "prompt must be at most " + std::to_string(kLongestPrompt) +
                                 " bytes, not " + std::to_string(job.prompt.size()),
                             "string_above_max_length", "prompt"});
  }
  SERIN_TRY(read_reference(manifest, fields, made.fields));
  fields.ignore({"user"});
  fields.pass_rest(made.fields);
  SERIN_TRY(apply_prompt(manifest, job.prompt, "prompt", made.fields));
  SERIN_TRY_ASSIGN(const auto request, context.parser.parse(made.fields));
  job.seed = request.seed;
  made.fields["seed"] = static_cast<std::int64_t>(request.seed);
  job.created = unix_seconds(context.clock);
  return made;
}

}  // namespace serin::worker::api
