// SPDX-License-Identifier: Apache-2.0
// What a JSON Schema says where a document says nothing. Pure.
#pragma once

#include "base/json.h"

namespace serin {

// `document` with each field of `schema` that it leaves out set to its default, in objects and in
// lists, and so within the defaults themselves. Fields without a default stay out.
json::value with_defaults(const json::value& document, const json::value& schema);

}  // namespace serin
