// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {

ObjectKey key_of(const json::value& object) {
  return {std::string(text_at(object, "/metadata/namespace")),
          std::string(text_at(object, "/metadata/name"))};
}

std::string to_string(const ObjectKey& key) {
  return key.ns.empty() ? key.name : key.ns + "/" + key.name;
}

}  // namespace serin::platform::kubernetes
