// SPDX-License-Identifier: Apache-2.0
// `serin operator`: the control plane of a cluster. Watches GenerativeServices in all namespaces,
// leads by a Lease where there are several of it, and has for each namespace a Realm, which runs
// the services.
//
// run() does everything on threads of its own and returns when it is stopped or leads no more;
// the rest may be called from any thread. Api, clock and what the options hold outlive it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "cluster/announcer.h"
#include "cluster/reconciler.h"
#include "platform/kubernetes/client/informer.h"
#include "platform/kubernetes/client/lease.h"
#include "platform/kubernetes/client/work_queue.h"
#include "platform/kubernetes/objects/names.h"
#include "telemetry/metrics.h"

namespace serin::cluster {

struct OperatorOptions {
  std::string ns;                                 // its own: of the Lease
  std::string identity;                           // of this process, and of no other that ever was
  std::string build;                              // of the program, for metrics
  std::size_t services = 2000;                    // in a namespace, at most
  unsigned workers = 4;                           // services that are looked at at the same time
  std::chrono::milliseconds refresh_every{2000};  // of status
};

class Operator {
 public:
  Operator(platform::kubernetes::Api& api, OperatorOptions options, const Clock& clock);
  ~Operator();

  // `make_platform` may ask owner_of(). kAborted: another leads now; whoever called begins anew,
  // as a process does that ends and is started again.
  Status run(const MakePlatform& make_platform, const std::stop_token& stop);

  // The GenerativeService as owner of its objects; none where it is not there.
  std::optional<platform::kubernetes::Owner> owner_of(const std::string& ns,
                                                      const std::string& name) const;
  bool leading() const { return election_.leading(); }
  // Why the cluster is not heard; empty while it is.
  std::string problem() const { return services_.problem(); }
  // What Prometheus reads: of the operator, and of the services of every namespace.
  std::string expose();

 private:
  using Realms = std::map<std::string, std::shared_ptr<Realm>>;

  void heard(const platform::kubernetes::Change& change);
  Status lead(const MakePlatform& make_platform, const std::stop_token& stop);
  void work(Reconciler& reconciler, const std::stop_token& stop);
  void refresh(Reconciler& reconciler, const std::stop_token& stop);
  Result<std::shared_ptr<Realm>> realm_of(const std::string& ns, const MakePlatform& make_platform);
  void announce(const platform::kubernetes::ObjectKey& key, const control::Event& event);
  std::vector<std::shared_ptr<Realm>> realms();

  platform::kubernetes::Api& api_;
  const OperatorOptions options_;
  const Clock& clock_;
  telemetry::Registry registry_;
  telemetry::Histogram& reconcile_seconds_;
  telemetry::Counter& reconcile_errors_;
  platform::kubernetes::EventRecorder recorder_;
  Announcer announcer_;
  platform::kubernetes::WorkQueue queue_;
  platform::kubernetes::Election election_;
  std::mutex realms_mutex_;
  Realms realms_;
  platform::kubernetes::Informer services_;
};

}  // namespace serin::cluster
