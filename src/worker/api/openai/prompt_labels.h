// SPDX-License-Identifier: Apache-2.0
// OpenAI's media APIs say what is wanted in a prompt; a package may want labels instead. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "model/manifest.h"

namespace serin::worker::api {

// Puts `prompt` into the package's text input where it has one. Otherwise every word of the prompt
// that is a label (case as written first, then without case) sets that label's input, unless
// `request` sets it already. A package with neither takes no words: the prompt, which OpenAI's
// clients must send, is ignored. kInvalidArgument when there are labels, the prompt has words and
// none of them says anything to the package.
Status apply_prompt(const model::Manifest& manifest, std::string_view prompt,
                    std::string_view param, json::object& request);

}  // namespace serin::worker::api
