// SPDX-License-Identifier: Apache-2.0
// For tests: what a cluster does beside its API server. Deployments get their pods, pods their
// status, and pods of our gateway a real one. Everything happens in step(), by calls of the API
// alone. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "gateway/gateway.h"
#include "platform/kubernetes/client/api.h"

namespace serin::platform::kubernetes {

class ClusterForTest {
 public:
  // The Api outlives it.
  ClusterForTest(Api& api, std::string name_space);
  int admin_port() const { return admin_port_; }  // of every gateway

  void step();
  // A worker's process ends; its kubelet starts it again.
  void crash(const std::string& pod);
  // Gateways come up ready, or stay as they are.
  void hold_gateways(bool hold) { gateways_held_ = hold; }
  // By the pod's name; null: none runs.
  gateway::Gateway* gateway(const std::string& pod);
  std::vector<std::string> gateways() const;

 private:
  struct RunningGateway {
    std::string address;
    TemporaryDirectory folder;
    std::unique_ptr<gateway::Gateway> process;
  };
  std::vector<json::value> list(const char* plural, const char* group = "");
  void control(const json::value& deployment, const std::vector<json::value>& pods);
  void create_pod(const json::value& deployment, const std::string& name, const std::string& hash);
  void remove_pod(const json::value& pod);
  void keep(const json::value& pod);
  void set_status(const std::string& pod, json::object status);
  bool start_gateway(const std::string& pod);
  std::string free_address() const;

  Api& api_;
  const std::string name_space_;
  const int admin_port_;
  bool gateways_held_ = false;
  int pods_ = 0;
  std::map<std::string, RunningGateway> gateways_;
};

}  // namespace serin::platform::kubernetes
