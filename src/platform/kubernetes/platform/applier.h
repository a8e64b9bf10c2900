// SPDX-License-Identifier: Apache-2.0
// Applies a namespace's objects: each when it is to be another than before, when the cluster has
// another than was made, and now and then, for somebody may have changed what nobody watches. What
// is as it was costs nothing, so that all of them can be said in every pass. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "base/clock.h"
#include "platform/kubernetes/client/api.h"
#include "platform/kubernetes/routers/router.h"

namespace serin::platform::kubernetes {

// What a kind's collection is called, by the rule that Kubernetes itself goes by: "networkpolicies"
// of NetworkPolicy.
Resource resource_of(std::string_view api_version, std::string_view kind);
Reference reference_of(const json::object& object);

class Applier {
 public:
  // Api and clock outlive it.
  Applier(Api& api, std::string name_space, const Clock& clock)
      : api_(api), name_space_(std::move(name_space)), clock_(clock) {}

  // Every field of it is ours, whoever set it before. `amend`: of what is sent, what must not count
  // as a change.
  Status apply(const json::object& object, const std::function<void(json::object&)>& amend = {});
  // At once, in place of the version `live` (null: there was none). kAborted: it is another by now.
  Status replace(json::object object, const json::value& live);
  // What a cache has of it; null: nothing. So changes by others are found.
  void look(const Reference& reference, const json::value* live);

  // Null where there is none.
  Result<json::value> get(const Reference& reference);
  // Success where there is none.
  Status remove(const Reference& reference);
  // Of the objects of that kind, those with the labels; none where the cluster has no such kind.
  Status remove_all(std::string_view api_version, std::string_view kind, const std::string& labels);

 private:
  struct Applied {
    std::string digest;
    Instant when;
    std::int64_t generation = 0;
    bool seen = false;  // in a cache
  };
  Target target_of(const Reference& reference) const;

  Api& api_;
  const std::string name_space_;
  const Clock& clock_;
  std::map<std::string, Applied> applied_;  // by "KIND/NAME"
};

}  // namespace serin::platform::kubernetes
