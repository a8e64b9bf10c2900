// SPDX-License-Identifier: Apache-2.0
// What all objects of Kubernetes have: a name, perhaps a namespace, a version. Objects are plain
// JSON values; nothing here trusts them to be well formed. Pure.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/json_at.h"

namespace serin::platform::kubernetes {

// Of what is read of a server. Schemas of custom resources nest; a list or an event around an
// object counts, too.
inline constexpr JsonLimits kObjectLimits{128};

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
