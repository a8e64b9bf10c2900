// SPDX-License-Identifier: Apache-2.0
// "1024x1024", as images and videos are asked for. Pure.
#pragma once

#include "worker/api/fields.h"
#include "worker/api/medium.h"

namespace serin::worker::api {

// Reads `size` into `medium`, which stays as it is for "auto" and for none.
Status read_size(Fields& fields, MediumOptions& medium);

// kInvalidArgument when `count` pictures of that size take more than `most` bytes before they are
// encoded; said before anything is made.
Status check_pixels(const MediumOptions& medium, std::int64_t count, std::uint64_t most);

}  // namespace serin::worker::api
