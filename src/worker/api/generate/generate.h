// SPDX-License-Identifier: Apache-2.0
// What POST /generate of an engine and of an upstream have in common.
#pragma once

#include "model/manifest.h"
#include "net/http/message.h"

namespace serin::worker::api {

// 406, with what the output can be given as.
net::Response not_acceptable(const model::Output& output);

}  // namespace serin::worker::api
