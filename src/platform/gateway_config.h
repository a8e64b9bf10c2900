// SPDX-License-Identifier: Apache-2.0
// What our gateway is told, made of what the control plane wants and of what runs, wherever it
// runs. Pure.
#pragma once

#include <string>
#include <vector>

#include "gateway/config.h"
#include "platform/platform.h"

namespace serin::platform {

// A replica, and what it says of itself, or said before it was started again.
struct RoutedReplica {
  std::string id, url;                // url: as gateway::Replica has it
  std::string profile, reproducible;  // "cpu/…", "bitwise"; empty: nothing yet
  bool ready = true;                  // requests may go to it
  bool silent = false;                // it runs, has been ready, and does not answer
};
struct RoutedVersion {
  std::string label, digest;
  bool remote = false;
  std::vector<RoutedReplica> replicas;
};

// The stable version and the candidate of one service. A version is bitwise when every replica says
// so of the same profile and its package does not lie elsewhere; until one has spoken it is not. A
// stream may wait for a worker that is started again.
// kInvalidArgument for fields of the manifest's resilience and access that the gateway does not
// know.
Result<gateway::Service> service_of(const Traffic& traffic,
                                    const std::vector<RoutedVersion>& versions);

}  // namespace serin::platform
