// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {

const json::value* value_at(const json::value& value, std::string_view pointer) {
  boost::system::error_code none;
  return value.find_pointer(pointer, none);
}

std::string_view text_at(const json::value& value, std::string_view pointer) {
  const json::value* found = value_at(value, pointer);
  if (found == nullptr || !found->is_string()) return {};
  return found->get_string();
}

ObjectKey key_of(const json::value& object) {
  return {std::string(text_at(object, "/metadata/namespace")),
          std::string(text_at(object, "/metadata/name"))};
}

std::string to_string(const ObjectKey& key) {
  return key.ns.empty() ? key.name : key.ns + "/" + key.name;
}

}  // namespace serin::platform::kubernetes
