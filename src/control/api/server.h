// SPDX-License-Identifier: Apache-2.0
// The control API: HTTP with JSON on a Unix socket, for the user that runs the control plane and
// for root (the kernel says who is at the other end). docs/control-api.md lists it.
//
// | method and path                          | what                                               |
// | POST   /v1/apply?file&folder&dryRun      | a manifest, YAML or JSON                           |
// | GET    /v1/services                      | all of them                                        |
// | GET    /v1/services/NAME                 | one                                                |
// | DELETE /v1/services/NAME                 | drains and forgets it                              |
// | GET    /v1/services/NAME/logs?replica&lines | the last lines of its workers, as text          |
// | GET    /v1/services/NAME/rollout         | the last rollout, with its metrics                 |
// | GET    /v1/services/NAME/rollouts?most   | the history                                        |
// | POST   /v1/services/NAME/rollout:VERB    | start, pause, resume, promote, abort, undo         |
// | GET    /v1/events?service&after&most     | what happened; follow it by asking after the last  |
// | GET    /v1/status                        | the control plane itself                           |
// | POST   /v1/stop                          | ends the control plane, the gateway and the workers|
//
// Threads: one I/O thread, and kThreads that wait for the controller or for a package.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "control/controller.h"

namespace serin::control::api {

struct ServerOptions {
  std::string socket;
  json::object status;         // what /v1/status says
  std::function<void()> stop;  // from one of the server's threads; must not wait
};

class Server {
 public:
  static constexpr unsigned kThreads = 4;
  static constexpr std::size_t kWaiting = 64;  // requests; further ones get 429

  // The controller outlives it. kAlreadyExists when another control plane listens there.
  static Result<std::unique_ptr<Server>> create(Controller& controller, ServerOptions options);
  virtual ~Server() = default;
};

}  // namespace serin::control::api
