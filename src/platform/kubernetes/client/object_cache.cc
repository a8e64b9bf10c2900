// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/object_cache.h"

#include <utility>

namespace serin::platform::kubernetes {
namespace {

// `object` in the place of `before`; what that changes goes to the end of `changes`.
Object put_after(const Object& before, json::value object, std::vector<Change>& changes) {
  if (before && version_of(*before) == version_of(object) && uid_of(*before) == uid_of(object))
    return before;
  Object after = std::make_shared<const json::value>(std::move(object));
  if (before && uid_of(*before) != uid_of(*after)) {
    changes.push_back({before, nullptr});
    changes.push_back({nullptr, after});
  } else {
    changes.push_back({before, after});
  }
  return after;
}

}  // namespace

std::vector<Change> ObjectCache::replace(std::vector<json::value> all) {
  std::vector<Change> changes;
  std::map<ObjectKey, Object> objects;
  const std::lock_guard lock(mutex_);
  for (json::value& object : all) {
    ObjectKey key = key_of(object);
    const auto known = objects_.find(key);
    Object before = known == objects_.end() ? nullptr : std::exchange(known->second, nullptr);
    objects.insert_or_assign(std::move(key), put_after(before, std::move(object), changes));
  }
  for (auto& [key, object] : objects_)
    if (object) changes.push_back({std::move(object), nullptr});
  objects_ = std::move(objects);
  return changes;
}

std::vector<Change> ObjectCache::put(json::value object) {
  std::vector<Change> changes;
  const std::lock_guard lock(mutex_);
  Object& place = objects_[key_of(object)];
  place = put_after(place, std::move(object), changes);
  return changes;
}

std::vector<Change> ObjectCache::erase(json::value object) {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key_of(object));
  if (found == objects_.end() || uid_of(*found->second) != uid_of(object)) return {};
  objects_.erase(found);
  return {{std::make_shared<const json::value>(std::move(object)), nullptr}};
}

Object ObjectCache::find(const ObjectKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<Object> ObjectCache::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> all;
  all.reserve(objects_.size());
  for (const auto& [key, object] : objects_) all.push_back(object);
  return all;
}

std::vector<Object> ObjectCache::in(const std::string& ns) const {
  const std::lock_guard lock(mutex_);
  std::vector<Object> found;
  for (auto at = objects_.lower_bound({ns, ""}); at != objects_.end() && at->first.ns == ns; ++at)
    found.push_back(at->second);
  return found;
}

std::size_t ObjectCache::size() const {
  const std::lock_guard lock(mutex_);
  return objects_.size();
}

}  // namespace serin::platform::kubernetes
