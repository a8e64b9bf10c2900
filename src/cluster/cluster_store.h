// SPDX-License-Identifier: Apache-2.0
// The control plane's store in a cluster: a ConfigMap for each service of one namespace, which
// holds its whole ledger (cluster/ledger.h), so that every commit is one write and all or nothing.
//
// One process writes, the leader. Each write names the version that it replaces and who writes: a
// write whose answer was lost is known again and gone on from; one of somebody else is kAborted,
// and from then on stale() until all is read anew. Any thread; every change waits for the server.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "cluster/ledger.h"
#include "platform/kubernetes/client/api.h"

namespace serin::cluster {

struct ClusterStoreOptions {
  std::string ns;
  std::string writer;  // this process, and no other that ever was
  // Whether it still leads, asked before each write.
  std::function<bool()> leads;
  control::StoreLimits limits{.events = 200, .rollouts_of_service = 20};  // of each service
};

// "storyteller.serin-record": a service's own name has no dot, so no other object of ours is called
// so.
std::string record_name(std::string_view service);

class ClusterStore final : public control::Store {
 public:
  // Is told of each event once it is stored, on the thread that stored it.
  using Announce = std::function<void(const control::Event&)>;

  // Reads what is stored. The Api outlives it.
  static Result<std::unique_ptr<ClusterStore>> open(platform::kubernetes::Api& api,
                                                    ClusterStoreOptions options, Announce announce);

  Result<std::vector<control::ServiceRecord>> load() override;
  Status commit(const control::ServiceRecord& service,
                std::span<const control::Event> events) override;
  Status erase(std::string_view service, std::span<const control::Event> events) override;
  Status save_evidence(std::string_view service, const control::RolloutRecord& rollout) override;
  Result<std::vector<control::Event>> events(const control::EventQuery& query) override;
  Result<std::vector<control::RolloutRecord>> history(std::string_view service,
                                                      std::size_t most) override;
  Result<std::vector<control::Subscription>> subscriptions() override;
  Result<std::vector<control::Event>> pending(const control::Subscription& subscription,
                                              std::size_t most) override;
  Status advance(const control::Subscription& subscription,
                 std::span<const control::Event> events) override;

  bool stale() const;

 private:
  struct Kept {
    Ledger ledger;
    std::string version;  // of the ConfigMap; empty: there is none
  };

  ClusterStore(platform::kubernetes::Api& api, ClusterStoreOptions options, Announce announce);
  Status read_all();
  std::vector<control::Event> numbered(std::span<const control::Event> events) const;
  // Writes what `service` is to be, and only then knows it so.
  Status put(const std::string& service, Ledger next, std::span<const control::Event> events);
  Result<std::string> write(const std::string& service, const Ledger& next,
                            const std::string& version);
  Result<std::string> version_after_conflict(const std::string& service, const Error& conflict);
  Ledger ledger_of(std::string_view service) const;

  platform::kubernetes::Api& api_;
  const ClusterStoreOptions options_;
  const Announce announce_;
  mutable std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;
  std::int64_t last_event_ = 0;
  bool stale_ = false;
};

}  // namespace serin::cluster
