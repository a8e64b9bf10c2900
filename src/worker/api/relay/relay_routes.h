// SPDX-License-Identifier: Apache-2.0
// What a worker in front of another server answers, besides health and /openapi.json.
#pragma once

#include <vector>

#include "engine/request.h"
#include "model/package.h"
#include "worker/api/routes.h"
#include "worker/upstream/upstream.h"

namespace serin::worker::api {

// Of an upstream that speaks OpenAI's API (openai_relay.cc), or any other (plain_relay.cc).
std::vector<Route> openai_relay_routes();
std::vector<Route> plain_relay_routes();
std::vector<Route> relay_routes(const model::Manifest& manifest);

// Runs the package's golden requests against the upstream; blocks. kFailedPrecondition when one
// does not give the text that it must.
Status prove_upstream(const model::Package& package, const engine::RequestParser& parser,
                      Upstream& upstream);

}  // namespace serin::worker::api
