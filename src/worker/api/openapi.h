// SPDX-License-Identifier: Apache-2.0
// GET /openapi.json: what this worker answers, as one OpenAPI 3.1 document
// (https://spec.openapis.org/oas/v3.1.0) made from the package. Pure; safe from any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "model/manifest.h"

namespace serin::worker::api {

struct OpenApiOptions {
  std::string service;
  std::string version;
  bool keys = false;  // a bearer key is asked for
};

// Every route of the router but gRPC's; openapi_test.cc holds the two together.
json::object openapi(const model::Manifest& manifest, const OpenApiOptions& options);

// A request of this package: its inputs with types, ranges, labels and defaults, and the keys of
// its loop. The schema of POST /generate's body.
json::object request_schema(const model::Manifest& manifest);

}  // namespace serin::worker::api
