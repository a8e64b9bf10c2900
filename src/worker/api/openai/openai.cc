// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/openai.h"

#include "worker/api/openai/text.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

json::object model_json(const Context& context, std::string_view id) {
  return {{"id", id},
          {"object", "model"},
          {"created", 0},
          {"owned_by", "serin"},
          {"package", context.package.digest},
          {"task", name_of(context.package.manifest.task)}};
}

}  // namespace

void list_models(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  const Context& context = call->context();
  call->respond_json(
      {{"object", "list"}, {"data", json::array{model_json(context, context.service())}}});
}

void get_model(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  const std::string& name = parameters.at("model");
  if (!call->context().is_model(name)) {
    return call->fail({Code::kNotFound, "the model \"" + name + "\" is not served here",
                       "model_not_found", "model"});
  }
  call->respond_json(model_json(call->context(), name));
}

std::vector<Route> openai_routes() {
  return {{"POST", "/v1/completions", create_completion},
          {"POST", "/v1/chat/completions", create_chat_completion},
          {"POST", "/v1/responses", create_response},
          {"POST", "/v1/images/generations", create_image},
          {"POST", "/v1/audio/speech", create_speech},
          {"POST", "/v1/videos", create_video},
          {"GET", "/v1/videos", list_videos},
          {"GET", "/v1/videos/{video_id}", get_video},
          {"DELETE", "/v1/videos/{video_id}", delete_video},
          {"GET", "/v1/videos/{video_id}/content", get_video_content},
          {"GET", "/v1/models", list_models},
          {"GET", "/v1/models/{model}", get_model}};
}

}  // namespace serin::worker::api
