// SPDX-License-Identifier: Apache-2.0
// Fields in nghttp2's form, for the sources that speak to it. The strings must outlive the call
// that submits them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string_view>
#include <vector>

#include "net/http/h1_codec.h"
#include "net/http/message.h"

namespace serin::net {

inline nghttp2_nv h2_field(std::string_view name, std::string_view value) {
  auto* n = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
  auto* v = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
  return {n, v, name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// Without those that HTTP/2 has no place for, and without content-length where that is not the
// message's to say.
inline void append_h2_fields(std::vector<nghttp2_nv>& fields, const Headers& headers,
                             bool without_length) {
  for (const auto& [name, value] : headers) {
    if (h1::is_connection_field(name) || (without_length && name == "content-length")) continue;
    if (name == "date" || name == "host") continue;
    fields.push_back(h2_field(name, value));
  }
}

}  // namespace serin::net
