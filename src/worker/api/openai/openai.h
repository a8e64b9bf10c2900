// SPDX-License-Identifier: Apache-2.0
// The handlers of the OpenAI-compatible API, one file each; openai.cc lists their routes.
#pragma once

#include <memory>

#include "net/http/router.h"
#include "worker/api/call.h"

namespace serin::worker::api {

void create_completion(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void create_chat_completion(const std::shared_ptr<Call>& call,
                            const net::PathParameters& parameters);
void create_response(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void create_image(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void create_speech(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void create_video(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void list_videos(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void get_video(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void delete_video(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void get_video_content(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void list_models(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);
void get_model(const std::shared_ptr<Call>& call, const net::PathParameters& parameters);

}  // namespace serin::worker::api
