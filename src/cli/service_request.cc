// SPDX-License-Identifier: Apache-2.0
#include "cli/service_request.h"

#include <CLI/CLI.hpp>

#include "base/files.h"
#include "cli/takes.h"
#include "net/http/status.h"

namespace serin::cli {
namespace {

Result<std::string> gateway_of(const RequestLine& line) {
  if (!line.url.empty()) return line.url;
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  SERIN_TRY_ASSIGN(const json::value status, client.status());
  const std::string url = text_at(status, "gateway");
  if (url.empty())
    return fail(Code::kUnavailable, "the control plane names no gateway; give --url");
  return url;
}

Result<json::object> body_of(const std::vector<std::string>& inputs) {
  json::object body;
  for (const std::string& input : inputs) {
    const std::size_t equals = input.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid("--input " + input + ": write name=value");
    const std::string text = input.substr(equals + 1);
    auto value = parse_json(text);
    body[input.substr(0, equals)] = value ? std::move(*value) : json::value(text);
  }
  return body;
}

// Empty: none was given.
Result<std::string> key_of(const RequestLine& line) {
  return line.key_file.empty() ? Result<std::string>(line.key) : read_key_file(line.key_file);
}

}  // namespace

void add_request_options(CLI::App& command, RequestLine& line) {
  takes_service(command.add_option("service", line.service, "The service"))->required();
  command.add_option("--input", line.inputs,
                     "An input of the model, name=value; as often as there are inputs");
  command.add_option("--url", line.url, "The gateway; default: that of the control plane");
  command
      .add_option("--api-key", line.key,
                  "For a service that asks who comes. Others may see it on the line: better in the "
                  "environment, or in a file")
      ->envname("SERIN_API_KEY");
  takes_file(command.add_option("--api-key-file", line.key_file, "A file that holds the key"));
  add_control_options(command, line.control);
}

Result<net::ClientRequest> request_of(const RequestLine& line) {
  SERIN_TRY_ASSIGN(const std::string gateway, gateway_of(line));
  SERIN_TRY_ASSIGN(const json::object body, body_of(line.inputs));
  net::ClientRequest request;
  request.url = gateway + "/services/" + line.service + "/generate";
  request.method = "POST";
  request.headers.add("content-type", "application/json");
  SERIN_TRY_ASSIGN(const std::string key, key_of(line));
  if (!key.empty()) request.headers.add("authorization", "Bearer " + key);
  request.body = json::serialize(body);
  return request;
}

Error error_of(const net::Response& response) {
  Error error{.code = net::code_of_http_status(response.status),
              .message = "the service answered " + std::to_string(response.status)};
  if (const auto body = parse_json(response.body)) {
    const std::string message = text_at(at(*body, "error"), "message");
    if (!message.empty()) error.message += ": " + message;
  }
  return error;
}

}  // namespace serin::cli
