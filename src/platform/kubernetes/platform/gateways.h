// SPDX-License-Identifier: Apache-2.0
// Our gateway's pods in one namespace, and calls of their admin API. Any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "net/http/client.h"
#include "platform/kubernetes/client/object_cache.h"
#include "platform/kubernetes/platform/admin_secret.h"

namespace serin::platform::kubernetes {

struct GatewayPod {
  std::string uid, name, address;
  std::string life;  // another one after its process was started again
  bool ready = false;
};
// Those of `pods` that are gateways, have an address and run; also such as are going.
std::vector<GatewayPod> gateways_among(const std::vector<Object>& pods);

class GatewayClient {
 public:
  static Result<std::shared_ptr<GatewayClient>> create(AdminAccess access, int port);

  // Blocks; any status is a success. `target`: path and query.
  Result<net::Response> ask(const GatewayPod& pod, std::string method, std::string target,
                            std::string body, std::chrono::milliseconds within,
                            const CancelToken& cancel = {});
  const AdminAccess& access() const { return access_; }

 private:
  GatewayClient(AdminAccess access, int port, std::unique_ptr<net::Client> client)
      : access_(std::move(access)), port_(port), client_(std::move(client)) {}

  const AdminAccess access_;
  const int port_;
  const std::unique_ptr<net::Client> client_;
};

}  // namespace serin::platform::kubernetes
