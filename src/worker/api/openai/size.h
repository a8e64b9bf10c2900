// SPDX-License-Identifier: Apache-2.0
// "1024x1024", as images and videos are asked for. Pure.
#pragma once

#include "worker/api/medium.h"
#include "worker/api/openai/fields.h"

namespace serin::worker::api {

// Reads `size` into `medium`, which stays as it is for "auto" and for none.
Status read_size(Fields& fields, MediumOptions& medium);

}  // namespace serin::worker::api
