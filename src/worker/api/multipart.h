// SPDX-License-Identifier: Apache-2.0
// Forms as browsers and OpenAI's clients send them: multipart/form-data (RFC 7578, RFC 2046 section
// 5.1), strictly and within bounds. Pure; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::worker::api {

// Views into the body.
struct FormPart {
  std::string_view name;
  std::optional<std::string_view> filename;
  std::string_view content_type;  // empty: none was said
  std::string_view body;
};

struct MultipartLimits {
  std::size_t parts = 64;
  std::size_t head_bytes = 4096;  // of one part's fields
};

bool is_multipart(std::string_view content_type);

// The boundary that a Content-Type field names. kInvalidArgument without one, or with one that
// RFC 2046 does not allow.
Result<std::string> multipart_boundary(std::string_view content_type);

// Refuses, with the part at fault, everything but well-formed parts from the first byte to the
// closing boundary: no preamble, no part without a name, no nested encoding.
Result<std::vector<FormPart>> parse_multipart(std::string_view body, std::string_view boundary,
                                              const MultipartLimits& limits = {});

}  // namespace serin::worker::api
