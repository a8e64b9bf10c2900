// SPDX-License-Identifier: Apache-2.0
// A conversation, as chat completions and responses send it, becomes one prompt through the
// package's chat template.
#pragma once

#include <string>

#include "worker/api/context.h"

namespace serin::worker::api {

// Messages with `role` and text `content` (a string, or parts of type text, input_text or
// output_text). kFailedPrecondition when the package has no chat template; kInvalidArgument with
// `param` otherwise.
Result<std::string> render_messages(const Context& context, const json::value* messages,
                                    std::string_view param);

}  // namespace serin::worker::api
