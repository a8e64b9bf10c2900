// SPDX-License-Identifier: Apache-2.0
// POST /v1/images/generations (https://platform.openai.com/docs/api-reference/images). Pictures
// come as base64; the package's own inputs may stand in the body beside OpenAI's fields.
#include "base/base64.h"
#include "worker/api/medium.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/prompt_labels.h"
#include "worker/api/openai/size.h"
#include "worker/api/openai/text.h"

namespace serin::worker::api {
namespace {

struct ImageJob {
  const model::Output* output = nullptr;
  std::string format = "png";
  MediumOptions medium;
  std::int64_t created = 0;
};

const model::Output* image_output(const model::Manifest& manifest) {
  for (const model::Output& output : manifest.outputs) {
    if (std::holds_alternative<model::ImageOutput>(output.kind)) return &output;
  }
  return nullptr;
}

Status read_format(Fields& fields, ImageJob& job) {
  SERIN_TRY_ASSIGN(const auto response_format, fields.string("response_format"));
  if (response_format && *response_format != "b64_json") {
    return wrong_field("response_format", "b64_json: this worker keeps no pictures to link to");
  }
  SERIN_TRY_ASSIGN(const auto format, fields.string("output_format"));
  job.format = format.value_or("png");
  if (job.format != "png" && job.format != "jpeg" && job.format != "webp") {
    return wrong_field("output_format", "png, jpeg or webp");
  }
  SERIN_TRY_ASSIGN(const auto compression, fields.integer("output_compression", 0, 100));
  if (compression) job.medium.quality = static_cast<int>(std::max<std::int64_t>(1, *compression));
  return read_size(fields, job.medium);
}

Result<std::vector<engine::Request>> read(Call& call, const json::object& body, ImageJob& job) {
  const model::Manifest& manifest = call.context().package.manifest;
  job.output = image_output(manifest);
  if (job.output == nullptr) {
    return serin::fail(Error{Code::kNotFound,
                             call.context().service() + " makes no pictures; see /openapi.json",
                             "unsupported_task"});
  }
  Fields fields(body);
  SERIN_TRY(check_model(call.context(), fields));
  SERIN_TRY(read_format(fields, job));
  SERIN_TRY_ASSIGN(const auto n, fields.integer("n", 1, 128));
  SERIN_TRY(check_pixels(job.medium, n.value_or(1), call.context().options.pixel_bytes));
  SERIN_TRY_ASSIGN(const auto prompt, fields.string("prompt"));
  SERIN_TRY_ASSIGN(const auto streamed, fields.boolean("stream"));
  if (streamed.value_or(false))
    return wrong_field("stream", "false; POST /generate streams progress and previews");
  fields.ignore({"user", "quality", "style", "background", "moderation", "partial_images"});
  json::object request;
  fields.pass_rest(request);
  SERIN_TRY(apply_prompt(manifest, prompt.value_or(""), "prompt", request));
  return call.parse_choices(std::move(request), n.value_or(1));
}

Result<json::object> images_json(const ImageJob& job, const std::vector<std::uint64_t>& seeds,
                                 const std::vector<Answer>& answers) {
  json::array data;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    SERIN_TRY_ASSIGN(const auto bytes,
                     encode_medium(*job.output, answers[i].finished.outputs.at(job.output->name),
                                   "image/" + job.format, job.medium));
    data.push_back(json::object{{"b64_json", to_base64(bytes)}, {"seed", seeds[i]}});
  }
  return json::object{
      {"created", job.created}, {"output_format", job.format}, {"data", std::move(data)}};
}

}  // namespace

void create_image(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  auto job = std::make_shared<ImageJob>();
  job->created = unix_seconds(call->context().clock);
  auto understand = [call, job](const json::object& body) { return read(*call, body, *job); };
  call->read_object(understand, [call, job](std::vector<engine::Request> requests) {
    std::vector<std::uint64_t> seeds;
    for (const engine::Request& request : requests) seeds.push_back(request.seed);
    generate(call, std::move(requests), [call, job, seeds](std::vector<Answer> answers) {
      auto encode = [job, seeds, answers = std::move(answers)] {
        return images_json(*job, seeds, answers);
      };
      call->answer(false, std::move(encode),
                   [call](const json::object& body) { call->respond_json(body); });
    });
  });
}

}  // namespace serin::worker::api
