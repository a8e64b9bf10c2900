// SPDX-License-Identifier: Apache-2.0
// The versions of a namespace's services: their Deployments and what belongs to them are applied
// here, and what the cluster has made of them is read from its caches. One thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "platform/kubernetes/platform/applier.h"
#include "platform/kubernetes/platform/options.h"
#include "platform/kubernetes/platform/plans.h"
#include "platform/kubernetes/platform/replicas.h"

namespace serin::platform::kubernetes {

class Workers {
 public:
  // All outlive it.
  Workers(Applier& applier, const Caches& caches, const OwnerOf& owner_of,
          const KubernetesOptions& options)
      : applier_(applier), caches_(caches), owner_of_(owner_of), options_(options) {}

  Status ensure(const VersionSpec& spec);
  // Also what an earlier operator has made of it, whatever it was.
  Status remove(const std::string& service, const std::string& label);
  std::vector<VersionStatus> observe(const std::string& service);
  // Applies again what somebody has changed or removed.
  Status refresh();

  // Of the versions that were ensured, or have a Deployment, by label.
  std::map<std::string, std::string> digests(const std::string& service) const;

 private:
  using Key = std::pair<std::string, std::string>;  // service and label
  Status apply(const VersionSpec& spec);
  Status remove_other_scalers(const VersionPlan& plan);

  Applier& applier_;
  const Caches& caches_;
  const OwnerOf& owner_of_;
  const KubernetesOptions& options_;
  std::map<Key, VersionSpec> wanted_;
  std::map<Key, std::string> scalers_;  // the kind of each, where others were looked for
  std::map<std::string, std::map<std::string, EndCount>> ends_;  // by service and label
};

}  // namespace serin::platform::kubernetes
