// SPDX-License-Identifier: Apache-2.0
// The port on which a cluster asks an operator how it is, and Prometheus what it counted.
//
// | GET | what                                                                       |
// | /health/live  | 200 while the process answers                                    |
// | /health/ready | 200 while it hears the cluster; else 503 and why. Who does not   |
// |               | lead is ready too: it may lead at any moment                     |
// | /metrics      | in Prometheus's text                                             |
//
// It answers everybody who can reach it, and nothing else. Threads: one I/O thread, and one that
// waits for services to be looked at.
#pragma once

#include <memory>
#include <string>

#include "cluster/operator.h"

namespace serin::cluster {

class ProbeServer {
 public:
  // The operator outlives it. kAlreadyExists when the port is taken.
  static Result<std::unique_ptr<ProbeServer>> create(Operator& of, std::string address,
                                                     std::uint16_t port);
  virtual ~ProbeServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace serin::cluster
