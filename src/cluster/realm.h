// SPDX-License-Identifier: Apache-2.0
// The control plane of one namespace: the Controller that also runs on a laptop, on the namespace's
// platform and its store. Runs passes from its beginning to its end; any thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "cluster/cluster_store.h"
#include "control/controller.h"
#include "control/notify/notifier.h"

namespace serin::cluster {

struct PlatformOfNamespace {
  std::unique_ptr<platform::Platform> platform;
  // Makes good what others have changed, and tells those who have to know of workers that came or
  // went. Called four times a second, beside the platform's other calls.
  std::function<Status()> refresh;
};
// Called when the first service of a namespace is seen.
using MakePlatform = std::function<Result<PlatformOfNamespace>(const std::string& ns)>;

struct RealmOptions {
  ClusterStoreOptions store;
  control::ControllerOptions controller;
};

class Realm {
 public:
  // The Api, the clock and what the functions hold outlive it.
  static Result<std::unique_ptr<Realm>> open(platform::kubernetes::Api& api, RealmOptions options,
                                             const MakePlatform& make_platform,
                                             ClusterStore::Announce announce, const Clock& clock);

  control::Controller& controller() { return *controller_; }
  // Somebody else has written what it keeps: to be opened anew.
  bool stale() const { return store_->stale(); }

 private:
  Realm() = default;
  void keep_fresh(const std::stop_token& stop);

  std::unique_ptr<ClusterStore> store_;
  PlatformOfNamespace platform_;
  std::unique_ptr<control::Controller> controller_;
  std::unique_ptr<control::notify::Notifier> notifier_;
  std::string ns_;
  std::jthread keeper_;
};

}  // namespace serin::cluster
