// SPDX-License-Identifier: Apache-2.0
// write() until everything is written.
#pragma once

#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"

namespace serin {

// Where the file stands; `name` for the message.
Status write_all(const Descriptor& file, std::string_view bytes, std::string_view name);

}  // namespace serin
