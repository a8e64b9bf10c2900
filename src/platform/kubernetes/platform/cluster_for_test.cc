// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/cluster_for_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/digest.h"
#include "net/io/listener.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/objects/gateway.h"
#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/platform/loopback_for_test.h"
#include "platform/kubernetes/platform/replicas.h"

namespace serin::platform::kubernetes {
namespace {

constexpr const char* kHash = "pod-template-hash";

std::string label_at(const json::value& object, std::string_view name) {
  const json::value* labels = value_at(object, "/metadata/labels");
  const json::value* found = labels == nullptr ? nullptr : labels->as_object().if_contains(name);
  return found == nullptr ? std::string() : std::string(found->as_string());
}

bool is_selected(const json::value& pod, const json::value& deployment) {
  for (const auto& wanted : deployment.at_pointer("/spec/selector/matchLabels").as_object())
    if (label_at(pod, wanted.key()) != wanted.value().as_string()) return false;
  return true;
}

bool is_gateway(const json::value& pod) {
  return label_at(pod, "app.kubernetes.io/name") == kGatewayName;
}

// The machine has one GPU.
bool fits(const json::value& pod) {
  const json::value* gpus = value_at(pod, "/spec/containers/0/resources/limits/nvidia.com~1gpu");
  return gpus == nullptr || gpus->as_string() == "1";
}

bool is_broken(const json::value& pod) {
  return json::serialize(*value_at(pod, "/spec/containers/0/args")).find("broken") !=
         std::string::npos;
}

json::array conditions(const char* type, const char* status, const char* reason = "",
                       const char* message = "") {
  return json::array{
      json::object{{"type", type}, {"status", status}, {"reason", reason}, {"message", message}}};
}

json::object running(int restarts, const std::string& address) {
  const json::object worker{{"name", "worker"},
                            {"restartCount", restarts},
                            {"started", true},
                            {"state", {{"running", {{"startedAt", "2026-11-29T08:00:00Z"}}}}}};
  return {{"phase", "Running"},
          {"podIP", address},
          {"conditions", conditions("Ready", "True")},
          {"containerStatuses", json::array{worker}}};
}

json::object looping() {
  const json::object worker{
      {"name", "worker"},
      {"restartCount", 3},
      {"state", {{"waiting", {{"reason", "CrashLoopBackOff"}}}}},
      {"lastState", {{"terminated", {{"exitCode", 1}, {"message", "cannot read the weights"}}}}}};
  return {{"phase", "Running"}, {"containerStatuses", json::array{worker}}};
}

// One that nobody has at this moment.
int free_port() { return net::port_of(net::listen_tcp(loopback(0), 0)->get()); }

}  // namespace

ClusterForTest::ClusterForTest(Api& api, std::string name_space)
    : api_(api), name_space_(std::move(name_space)), admin_port_(free_port()) {}

std::vector<json::value> ClusterForTest::list(const char* plural, const char* group) {
  auto found = api_.list({{group, "v1", plural}, name_space_}, {});
  EXPECT_TRUE(found) << found.error().message;
  return found ? std::move(found->items) : std::vector<json::value>();
}

void ClusterForTest::step() {
  const auto deployments = list("deployments", "apps");
  const auto pods = list("pods");
  for (const json::value& pod : pods) {
    const bool owned = std::ranges::any_of(
        deployments, [&](const json::value& one) { return is_selected(pod, one); });
    if (!owned) remove_pod(pod);
  }
  for (const json::value& deployment : deployments) control(deployment, pods);
  for (const json::value& pod : list("pods")) keep(pod);
}

// As a Deployment's controller: new pods beside the old ones, which go when those are ready.
void ClusterForTest::control(const json::value& deployment, const std::vector<json::value>& pods) {
  const std::string hash =
      sha256_hex(canonical_json(deployment.at_pointer("/spec/template"))).substr(0, 8);
  const json::value* replicas = value_at(deployment, "/spec/replicas");
  const std::size_t wanted =
      replicas == nullptr ? 1 : static_cast<std::size_t>(replicas->as_int64());
  std::vector<const json::value*> now, old;
  std::size_t ready = 0;
  for (const json::value& pod : pods) {
    if (!is_selected(pod, deployment)) continue;
    const bool current = label_at(pod, kHash) == hash;
    (current ? now : old).push_back(&pod);
    if (current && takes_requests(pod)) ++ready;
  }
  for (std::size_t i = now.size(); i < wanted; ++i)
    create_pod(deployment, key_of(deployment).name + "-" + std::to_string(++pods_), hash);
  for (std::size_t i = wanted; i < now.size(); ++i) remove_pod(*now[i]);
  if (ready < wanted) return;
  for (const json::value* pod : old) remove_pod(*pod);
}

void ClusterForTest::create_pod(const json::value& deployment, const std::string& name,
                                const std::string& hash) {
  json::object pod = deployment.at_pointer("/spec/template").as_object();
  json::object& metadata = pod["metadata"].as_object();
  metadata["name"] = name;
  metadata["namespace"] = name_space_;
  metadata["labels"].as_object()[kHash] = hash;
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  const auto made = api_.create({{"", "v1", "pods"}, name_space_}, pod);
  EXPECT_TRUE(made) << made.error().message;
}

void ClusterForTest::remove_pod(const json::value& pod) {
  gateways_.erase(key_of(pod).name);
  const Status removed = api_.remove({{"", "v1", "pods"}, name_space_, key_of(pod).name});
  EXPECT_TRUE(removed || removed.error().code == Code::kNotFound);
}

// As a scheduler and a kubelet, of a pod that nobody has looked at.
void ClusterForTest::keep(const json::value& pod) {
  if (value_at(pod, "/status/conditions") != nullptr) return;
  const std::string name = key_of(pod).name;
  if (is_gateway(pod)) {
    if (!gateways_held_ && start_gateway(name))
      set_status(name, running(0, gateways_.at(name).address));
  } else if (!fits(pod)) {
    set_status(name, {{"phase", "Pending"},
                      {"conditions", conditions("PodScheduled", "False", "Unschedulable",
                                                "0/1 nodes are available: 1 Insufficient "
                                                "nvidia.com/gpu.")}});
  } else if (is_broken(pod)) {
    json::object status = looping();
    status["conditions"] = conditions("Ready", "False");
    set_status(name, std::move(status));
  } else {
    set_status(name, running(0, "127.0.0.1"));
  }
}

void ClusterForTest::set_status(const std::string& pod, json::object status) {
  const json::object patch{{"status", std::move(status)}};
  const auto done = api_.merge({{"", "v1", "pods"}, name_space_, pod, "status"}, patch);
  EXPECT_TRUE(done) << done.error().message;
}

void ClusterForTest::crash(const std::string& pod) { set_status(pod, running(1, "127.0.0.1")); }

std::string ClusterForTest::free_address() const {
  int number = 0;
  while (std::ranges::any_of(
      gateways_, [&](const auto& running) { return running.second.address == loopback(number); }))
    ++number;
  EXPECT_LT(number, kLoopbacks);
  return loopback(number);
}

// With the files that its Secrets are mounted as; false where they are not there yet.
bool ClusterForTest::start_gateway(const std::string& pod) {
  const auto config = api_.get({{"", "v1", "secrets"}, name_space_, std::string(kGatewayName)});
  const auto admin = api_.get({{"", "v1", "secrets"}, name_space_, std::string(kGatewayAdminName)});
  if (!config || !admin) return false;
  auto folder = *TemporaryDirectory::create();
  for (const auto& file : admin->at("data").as_object())
    EXPECT_TRUE(write_file(folder.path() / std::string(file.key()),
                           *from_base64(file.value().as_string())));
  gateway::AdminPort port;
  port.address = free_address();
  port.port = static_cast<std::uint16_t>(admin_port_);
  port.tls = {(folder.path() / kAdminCertificate).string(), (folder.path() / kAdminKey).string()};
  port.token = folder.path() / kAdminToken;
  gateway::GatewayOptions options;
  options.data.port = 0;
  options.admin_port = port;
  const auto text = from_base64(config->at("data").at(kGatewayFile).as_string());
  auto made = gateway::Gateway::create(options, *gateway::read_config(*text, "gateway.json"));
  EXPECT_TRUE(made) << made.error().message;
  if (!made) return false;
  gateways_.emplace(pod, RunningGateway{port.address, std::move(folder), *std::move(made)});
  return true;
}

gateway::Gateway* ClusterForTest::gateway(const std::string& pod) {
  const auto found = gateways_.find(pod);
  return found == gateways_.end() ? nullptr : found->second.process.get();
}

std::vector<std::string> ClusterForTest::gateways() const {
  std::vector<std::string> names;
  for (const auto& [name, one] : gateways_) names.push_back(name);
  return names;
}

}  // namespace serin::platform::kubernetes
