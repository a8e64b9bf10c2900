// SPDX-License-Identifier: Apache-2.0
// A question of Serin's own to a service: what the service answers by POST /v1/models/NAME:predict,
// as one that scores the answers of another. It goes to the stable version, is tried once and
// bounded as copies of requests are (copy.h), and says nothing of the service: no evidence, no
// sample, no client's limits.
#pragma once

#include <functional>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "net/http/message.h"

namespace serin::gateway {

class Lane;

struct Question {
  std::string service;
  std::string body;         // JSON
  Duration within{};        // the service's own timeout at most
  CancelToken cancel = {};  // by who asked, and wants no answer any more
  // Once, on the lane's thread, unless the gateway ends first. What is no answer of a worker is an
  // error of the gateway's.
  std::function<void(net::Response)> answered;
};

// On the lane's thread.
void ask(Lane& lane, Question question);

}  // namespace serin::gateway
