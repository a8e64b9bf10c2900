// SPDX-License-Identifier: Apache-2.0
// What the gateway answers by itself on its data port: health, metrics, the list of services.
#pragma once

#include "gateway/lane.h"

namespace serin::gateway {

// False: it is a request for a service.
bool answer_own(const Core& core, const Table& table, net::Exchange& exchange);

// Whether requests may be sent here.
bool is_ready(const Core& core, const Table& table);

// The error in the form that the request's client reads: OpenAI's JSON, or a gRPC status.
void answer_error(net::Exchange& exchange, const Error& error, std::string_view request_id);

}  // namespace serin::gateway
