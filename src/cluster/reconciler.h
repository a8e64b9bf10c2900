// SPDX-License-Identifier: Apache-2.0
// Brings one GenerativeService and what the control plane knows of it together: its manifest is
// applied, its verb is done, its status is written, and once it is being deleted it is held by a
// finalizer until nothing of it runs. Level-triggered: looks at what there is and does what is
// missing, so that whoever is killed anywhere begins anew.
//
// Any thread, but one at a time for each service; the outer objects outlive it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cluster/realm.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/object_cache.h"

namespace serin::cluster {

inline constexpr std::string_view kFinalizer = "serin.dev/operator";
// What people ask of a rollout without another tool:
//   kubectl annotate gsvc/storyteller serin.dev/rollout=pause
// (control/verbs.h). It is taken off, then done: at most once.
inline constexpr std::string_view kVerbAnnotation = "serin.dev/rollout";

class Reconciler {
 public:
  struct World {
    platform::kubernetes::Api& api;
    std::function<platform::kubernetes::Object(const platform::kubernetes::ObjectKey&)> find;
    // The control plane of a namespace, which may have to be begun.
    std::function<Result<std::shared_ptr<Realm>>(const std::string& ns)> realm;
    // Of what is not written down anywhere else.
    std::function<void(const platform::kubernetes::ObjectKey&, const control::Event&)> announce;
    const Clock& clock;
  };
  explicit Reconciler(World world) : world_(std::move(world)) {}

  // When it is to be looked at again though nothing was heard of it; unset: need not be. An error:
  // it could not be done, and is to be tried again later.
  Result<std::optional<Duration>> reconcile(const platform::kubernetes::ObjectKey& key);
  // Its status alone, of a service whose manifest was looked at before.
  Status refresh(const platform::kubernetes::ObjectKey& key);

 private:
  // What was said of a manifest.
  struct Verdict {
    std::int64_t generation = 0;
    std::string uid;
    Status accepted;
  };

  Status hold(const json::value& resource);
  Status release(const json::value& resource);
  Result<std::optional<Duration>> end(Realm& realm, const json::value& resource);
  Status accept(Realm& realm, const json::value& resource);
  Status obey(Realm& realm, const json::value& resource);
  Status say(Realm& realm, const json::value& resource, const Status& accepted);
  std::optional<Verdict> verdict_of(const json::value& resource);
  Status remember(const json::value& resource, Status accepted);

  World world_;
  std::mutex mutex_;
  std::map<platform::kubernetes::ObjectKey, Verdict> verdicts_;
};

}  // namespace serin::cluster
