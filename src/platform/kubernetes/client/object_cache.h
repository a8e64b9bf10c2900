// SPDX-License-Identifier: Apache-2.0
// The objects that an informer has heard of, by namespace and name, and what each word of the
// server changes about them. Objects are shared and never change: who holds one sees it as it was.
// Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/json.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {

using Object = std::shared_ptr<const json::value>;  // null: there is none

struct Change {
  Object before;  // null: it is new
  Object after;   // null: it is gone
};

// An object that was deleted and made again under its name is gone, and then new: one that carries
// another uid is another object.
class ObjectCache {
 public:
  // All that there are: what is not among them is gone.
  std::vector<Change> replace(std::vector<json::value> all);
  // Nothing for a version that is known already.
  std::vector<Change> put(json::value object);
  // Its last state. Nothing where another object has its name by now.
  std::vector<Change> erase(json::value object);

  Object find(const ObjectKey& key) const;
  std::vector<Object> all() const;
  std::vector<Object> in(const std::string& ns) const;  // by name
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::map<ObjectKey, Object> objects_;
};

}  // namespace serin::platform::kubernetes
