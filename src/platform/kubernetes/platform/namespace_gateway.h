// SPDX-License-Identifier: Apache-2.0
// Our gateway in one namespace: the Secret with its configuration, the Secret of its admin API, its
// Deployment, and its pods, each of which is told every configuration; a pod that starts reads the
// Secret and needs nobody.
//
// publish() and withdraw() from one thread, ask() and what comes after it from any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gateway/config.h"
#include "platform/kubernetes/platform/applier.h"
#include "platform/kubernetes/platform/gateways.h"
#include "platform/kubernetes/platform/options.h"

namespace serin::platform::kubernetes {

class NamespaceGateway {
 public:
  // All outlive it.
  NamespaceGateway(Applier& applier, const Caches& caches, const KubernetesOptions& options,
                   const Clock& clock)
      : applier_(applier), caches_(caches), options_(options), clock_(clock) {}

  // The services of these routes are as they say; those that nobody names stay as they are. Success
  // once every pod that takes requests has heard of it; else kUnavailable: the next call goes on.
  Status publish(const std::vector<Route>& routes);
  // It does not know the service any more. Without a service there is no gateway.
  Status withdraw(const Route& route);

  // The pods that run, and one's answer. kUnavailable where this operator has not been let in yet.
  std::vector<GatewayPod> pods() const;
  Result<net::Response> ask(const GatewayPod& pod, std::string method, std::string target,
                            std::string body, std::chrono::milliseconds within,
                            const CancelToken& cancel = {}) const;

 private:
  struct Found {
    json::value secret;  // null: there is none
    gateway::Config config;
  };
  Result<Found> find();
  Status write(const std::vector<Route>& routes);
  Status admit();
  Status provide(const json::array& image_pull_secrets);
  Status tell();
  Status tell(const GatewayPod& pod);
  Status remove_all();

  Applier& applier_;
  const Caches& caches_;
  const KubernetesOptions& options_;
  const Clock& clock_;
  std::vector<gateway::Service> wanted_;  // of the last write
  std::optional<Instant> written_;
  gateway::Config config_;
  std::optional<Instant> admitted_;
  std::map<std::string, std::uint64_t> told_;  // revisions by the life of a pod

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<GatewayClient> client_;
};

}  // namespace serin::platform::kubernetes
