// SPDX-License-Identifier: Apache-2.0
// What the sources that speak to nghttp2 share: fields in its form (the strings must outlive the
// call that submits them), and the border that no exception crosses, since its frames are C's.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string_view>
#include <vector>

#include "base/last_resort.h"
#include "net/http/h1_codec.h"
#include "net/http/message.h"

namespace serin::net {

// A call-back of nghttp2: what `work` returns, or the failure that ends the connection.
template <class Work>
ssize_t h2_guarded(Work&& work) noexcept {
  ssize_t result = NGHTTP2_ERR_CALLBACK_FAILURE;
  survives("an HTTP/2 connection", [&] { result = work(); });
  return result;
}

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
