// SPDX-License-Identifier: Apache-2.0
#include "base/json_at.h"

namespace serin {

const json::value* value_at(const json::value& value, std::string_view pointer) {
  boost::system::error_code none;
  return value.find_pointer(pointer, none);
}

std::string_view text_at(const json::value& value, std::string_view pointer) {
  const json::value* found = value_at(value, pointer);
  if (found == nullptr || !found->is_string()) return {};
  return found->get_string();
}

}  // namespace serin
