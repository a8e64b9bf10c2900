// SPDX-License-Identifier: Apache-2.0
// The gateway: one process that clients of all services speak to. Its I/O threads (lanes) carry the
// requests; a thread of its own answers the admin API (admin.h).
//
// Made with a configuration, which apply() replaces; what is kept beside it (requests in flight,
// evidence) lasts as long as the gateway. Methods from any thread but the gateway's own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "gateway/config.h"
#include "gateway/copy.h"
#include "gateway/feedback/memory.h"
#include "net/http/server.h"
#include "telemetry/otlp_http.h"

namespace serin::gateway {

struct Question;

// The admin API for who does not share the machine: over TLS, by who shows the token.
struct AdminPort {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one; see Gateway::admin_port()
  net::TlsFiles tls;
  std::filesystem::path token;  // a file with nothing else in it
};

struct GatewayOptions {
  net::ServerOptions data;   // where clients come; `threads` of it are the lanes
  std::string admin_socket;  // of the admin API; empty: none
  std::optional<AdminPort> admin_port;
  std::filesystem::path access_log;  // "-": standard output; empty: none
  // Folder for evidence and for what keys used of their quotas, made when missing; empty: in memory
  // alone.
  std::filesystem::path evidence;
  std::size_t connections_per_worker = 1024;  // of one lane, where a service does not say
  std::size_t remembered_requests = RequestMemory::kCapacity;  // of each service, for feedback
  std::filesystem::path feedback_log;                          // empty: none
  std::uint64_t feedback_log_bytes = std::uint64_t{64} << 20;  // of one file
  // Whether GET /metrics is answered where clients come; kAuto: while no service asks who enters.
  enum class PublicMetrics : std::uint8_t {
    kAuto,
    kOn,
    kOff
  } public_metrics = PublicMetrics::kAuto;
  telemetry::TracingOptions tracing;
  std::string build;  // of the program, for serin_build_info
  CopyLimits copies;
};

class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> create(GatewayOptions options, Config config,
                                                 const Clock& clock = Clock::real());
  virtual ~Gateway() = default;  // cuts what is open

  // Requests that begin after it returns see this configuration. kAlreadyExists for a revision that
  // is not newer, unless it is the present configuration itself.
  virtual Status apply(Config config) = 0;
  virtual Config config() const = 0;
  // Soon, on a thread of the gateway's (scoring/question.h).
  virtual void ask(Question question) = 0;
  // No new connection; waits for the requests under way. True when none was cut.
  virtual bool drain(std::chrono::milliseconds at_most) = 0;
  virtual std::uint16_t port() const = 0;
  virtual std::uint16_t admin_port() const = 0;  // 0: none
};

}  // namespace serin::gateway
