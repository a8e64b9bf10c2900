// SPDX-License-Identifier: Apache-2.0
// Requests to a service through the gateway of a control plane, as `generate` and `load` make them.
#pragma once

#include <string>
#include <vector>

#include "cli/control.h"
#include "net/http/client.h"

namespace serin::cli {

struct RequestLine {
  ControlLine control;
  std::string service;
  std::vector<std::string> inputs;  // "name=value"; the value as JSON where it is that, else text
  std::string url;                  // of the gateway; empty: the one of the control plane
  std::string key;                  // for a service that asks who comes; empty: none
  std::string key_file;             // the same in a file
};
void add_request_options(CLI::App& command, RequestLine& line);

// POST /services/NAME/generate.
Result<net::ClientRequest> request_of(const RequestLine& line);
// The error in an answer that is one.
Error error_of(const net::Response& response);

}  // namespace serin::cli
