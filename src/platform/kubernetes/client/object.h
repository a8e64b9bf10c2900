// SPDX-License-Identifier: Apache-2.0
// What all objects of Kubernetes have: a name, perhaps a namespace, a version. Objects are plain
// JSON values; nothing here trusts them to be well formed. Pure.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/json.h"

namespace serin::platform::kubernetes {

// The text at a JSON pointer ("/metadata/name"); empty where there is none.
std::string_view text_at(const json::value& value, std::string_view pointer);
// What is there; null where nothing is.
const json::value* value_at(const json::value& value, std::string_view pointer);

struct ObjectKey {
  std::string ns;  // empty: of the whole cluster
  std::string name;
  auto operator<=>(const ObjectKey&) const = default;
};
ObjectKey key_of(const json::value& object);
std::string to_string(const ObjectKey& key);  // "NAMESPACE/NAME", or "NAME"

inline std::string_view uid_of(const json::value& object) {
  return text_at(object, "/metadata/uid");
}
inline std::string_view version_of(const json::value& object) {
  return text_at(object, "/metadata/resourceVersion");
}

}  // namespace serin::platform::kubernetes
