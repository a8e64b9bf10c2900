// SPDX-License-Identifier: Apache-2.0
// What the parts of `serin up` and `serin down` share.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/control.h"
#include "platform/local/options.h"
#include "telemetry/otlp_http.h"

namespace serin::cli {

inline constexpr std::chrono::minutes kEndsWithin{2};

// What stands on the line of `serin up`.
struct UpLine {
  ControlLine control;
  std::vector<std::string> files;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string certificate, key;  // of the gateway; both or neither
  std::vector<std::string> worker_arguments;
  std::vector<std::string> gateway_arguments;
  std::optional<std::uint16_t> metrics_port;  // none: there is no such port
  std::string metrics_address = "127.0.0.1";
  telemetry::TracingOptions tracing;
  // Of the control API on the network: all of them or none.
  std::string control_address, control_certificate, control_key, control_keys;
  bool detach = false;
  bool wait = false;
  bool plain = false;
};

platform::local::LocalOptions platform_options(const UpLine& line,
                                               const std::filesystem::path& state);
// Where the control plane logs to when nobody sees it; its folder is made.
Result<std::string> log_file(const std::filesystem::path& state);

// `serin up --detach`: starts it, unless one runs already, and gives it the manifests.
Status detach(const UpLine& line);
// Ends it, or what one that was killed has left.
Status down(const ControlLine& line);

}  // namespace serin::cli
