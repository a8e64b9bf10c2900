// SPDX-License-Identifier: Apache-2.0
// Runs one or several generations for a Call and brings their events to its thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "worker/api/call.h"

namespace serin::worker::api {

// What came of one generation.
struct Answer {
  engine::Finished finished;
  std::vector<engine::Token> tokens;
};

// Submits all, or none: when one is refused the others are cancelled. `on_event` is called on the
// Call's thread with the place of the request; Failed comes at most once and last, and the others
// are cancelled with it. Not called with Started, and with Progress only where a request asks for
// previews; not called any more once the client is gone. Counts tokens and their times.
Status stream(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
              std::function<void(std::size_t, engine::Event)> on_event);

// Waits for all. An error is answered here, and `done` is not called.
void generate(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
              std::function<void(std::vector<Answer>)> done);

}  // namespace serin::worker::api
