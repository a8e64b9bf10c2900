// SPDX-License-Identifier: Apache-2.0
// `serin gateway`: one process that clients of all services speak to.
#include "gateway/gateway.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "base/files.h"
#include "base/hand_over.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "cli/command.h"
#include "cli/takes.h"
#include "cli/tracing.h"
#include "cli/version.h"

namespace serin::cli {
namespace {

using std::chrono::milliseconds;

// What stands on the line, before it is turned into options.
struct GatewayLine {
  gateway::GatewayOptions options;
  std::filesystem::path config;
  std::uint16_t port = 8080;
  int listen_fd = -1;
  std::optional<std::uint16_t> admin_port;
  gateway::AdminPort admin;
  std::string certificate, key;
  double drain_within = 30;
  std::string public_metrics = "auto";
  std::size_t body_megabytes = 64;
  std::uint64_t feedback_log_megabytes = 64;
};

constexpr unsigned kUsefulThreads = 4;

// Without the file there is no service yet: the admin API brings them.
Result<gateway::Config> first_config(const std::filesystem::path& file) {
  if (file.empty()) return gateway::Config{};
  const auto text = read_file(file);
  if (!text && text.error().code == Code::kNotFound) {
    log::warning("there is no configuration yet", {{"file", file.string()}});
    return gateway::Config{};
  }
  if (!text) return fail(text.error());
  return gateway::read_config(*text, file.string());
}

// Nothing of it, or all: without TLS or without a token there is no admin API on a port.
Result<std::optional<gateway::AdminPort>> admin_port_of(const GatewayLine& line) {
  gateway::AdminPort admin = line.admin;
  const bool any = line.admin_port || !admin.tls.certificate.empty() || !admin.tls.key.empty() ||
                   !admin.token.empty();
  const bool all = line.admin_port && !admin.tls.certificate.empty() && !admin.tls.key.empty() &&
                   !admin.token.empty();
  if (any != all)
    return invalid(
        "--admin-port, --admin-certificate, --admin-key and --admin-token go together: the admin "
        "API is on a port only over TLS, and for who shows the token");
  if (!all) return std::nullopt;
  admin.port = *line.admin_port;
  return admin;
}

Status run(const GatewayLine& line) {
  const sigset_t stops = hold_stop_signals();

  if (line.certificate.empty() != line.key.empty())
    return invalid("--tls-certificate and --tls-key go together");
  gateway::GatewayOptions options = line.options;
  SERIN_TRY_ASSIGN(options.admin_port, admin_port_of(line));
  if (line.config.empty() && options.admin_socket.empty() && !options.admin_port)
    return invalid(
        "--config FILE, --admin SOCKET or --admin-port is needed: there would be no service");
  using enum gateway::GatewayOptions::PublicMetrics;
  options.public_metrics = line.public_metrics == "auto" ? kAuto
                           : line.public_metrics == "on" ? kOn
                                                         : kOff;
  options.build = kVersion;
  net::ServerOptions& data = options.data;
  if (line.listen_fd >= 0) {
    data.listen_fd = line.listen_fd;
  } else {
    data.port = line.port;
  }
  if (!line.certificate.empty()) data.tls = net::TlsFiles{line.certificate, line.key};
  data.limits.body_bytes = line.body_megabytes << 20;
  options.feedback_log_bytes = line.feedback_log_megabytes << 20;
  data.limits.bodies_bytes =
      std::max<std::uint64_t>(data.limits.bodies_bytes, data.limits.body_bytes);
  SERIN_TRY_ASSIGN(auto config, first_config(line.config));
  // Whoever gave us the socket gets it back from us, should he be killed and come back.
  std::optional<DescriptorOffer> offer;
  if (line.listen_fd >= 0 && !line.options.admin_socket.empty()) {
    SERIN_TRY_ASSIGN(offer,
                     DescriptorOffer::create(line.options.admin_socket + ".fd", line.listen_fd));
  }
  SERIN_TRY_ASSIGN(const auto gateway,
                   gateway::Gateway::create(std::move(options), std::move(config)));
  log::info("listening", {{"port", gateway->port()}, {"admin_port", gateway->admin_port()}});
  int signal = 0;
  sigwait(&stops, &signal);
  log::info("stopping", {{"signal", signal}});
  gateway->drain(milliseconds(static_cast<std::int64_t>(line.drain_within * 1000)));
  return {};
}

void add_listening(CLI::App& command, GatewayLine& line) {
  net::ServerOptions& data = line.options.data;
  CLI::Option* port =
      takes_port(command.add_option("--port", line.port, "TCP port; 0: any free one"))
          ->capture_default_str()
          ->group("Listening");
  command
      .add_option("--listen-fd", line.listen_fd,
                  "A listening TCP socket that was inherited, in place of --port")
      ->check(CLI::NonNegativeNumber)
      ->excludes(port)
      ->group("Listening");
  command.add_option("--address", data.address, "Address for the port")
      ->capture_default_str()
      ->group("Listening");
  takes_path(command.add_option("--socket", data.unix_socket, "Unix socket to listen on too"))
      ->group("Listening");
  takes_file(command.add_option("--tls-certificate", line.certificate,
                                "PEM chain; TLS 1.2 and up on the port"))
      ->group("Listening");
  takes_file(command.add_option("--tls-key", line.key, "PEM key of the certificate"))
      ->group("Listening");
  data.threads = std::clamp(std::thread::hardware_concurrency(), 1U, kUsefulThreads);
  takes_between(command.add_option("--io-threads", data.threads, "Threads that carry requests"), 1,
                64)
      ->capture_default_str()
      ->group("Listening");
}

void add_admin_port(CLI::App& command, GatewayLine& line) {
  gateway::AdminPort& admin = line.admin;
  takes_port(command.add_option("--admin-port", line.admin_port,
                                "TCP port of the admin API too, over TLS; 0: any free one"))
      ->group("Admin API");
  command.add_option("--admin-address", admin.address, "Address for that port")
      ->capture_default_str()
      ->group("Admin API");
  takes_file(command.add_option("--admin-certificate", admin.tls.certificate,
                                "PEM chain that the port shows"))
      ->group("Admin API");
  takes_file(command.add_option("--admin-key", admin.tls.key, "PEM key of the certificate"))
      ->group("Admin API");
  takes_file(command.add_option("--admin-token", admin.token,
                                "File with what who comes to the port has to show as Bearer"))
      ->group("Admin API");
}

}  // namespace

void add_gateway(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<GatewayLine>();
  CLI::App* command =
      app.add_subcommand("gateway", "Send requests to the versions of services, as configured");
  takes_path(command->add_option("--config", line->config, "JSON file that is read at the start"));
  takes_path(command->add_option("--admin", line->options.admin_socket,
                                 "Unix socket of the admin API: configuration, evidence, metrics"));
  takes_folder(command->add_option("--evidence", line->options.evidence,
                                   "Folder where evidence of requests, and what keys used of "
                                   "their quotas, outlive the process"));
  takes_path(command->add_option("--access-log", line->options.access_log,
                                 "File for a line of JSON a request; -: standard output"));
  takes_path(command->add_option("--feedback-log", line->options.feedback_log,
                                 "File for a line of JSON for what users say of answers"));
  add_listening(*command, *line);
  add_admin_port(*command, *line);
  takes_one_of(command->add_option("--public-metrics", line->public_metrics,
                                   "Whether GET /metrics is answered on the port; auto: while no "
                                   "service asks who enters"),
               {"auto", "on", "off"})
      ->capture_default_str()
      ->group("Listening");
  add_tracing_options(*command, line->options.tracing);
  net::ServerLimits& limits = line->options.data.limits;
  takes_between(command->add_option("--max-body-mb", line->body_megabytes, "Largest body"), 1, 4096)
      ->capture_default_str()
      ->group("Limits");
  takes_bytes(command->add_option(
                  "--bodies-bytes", limits.bodies_bytes,
                  "Bodies of all requests together, at least --max-body-mb; further ones get 429"))
      ->group("Limits");
  takes_between(command->add_option("--feedback-log-mb", line->feedback_log_megabytes,
                                    "Largest file of --feedback-log; then it is rotated"),
                1, 1 << 20)
      ->capture_default_str()
      ->group("Limits");
  takes_between(command->add_option("--remembered-requests", line->options.remembered_requests,
                                    "Of each service, for feedback on them; 0: none"),
                0, 10'000'000)
      ->capture_default_str()
      ->group("Limits");
  command->add_option("--connections", limits.connections, "Open connections of clients")
      ->capture_default_str()
      ->group("Limits");
  gateway::CopyLimits& copies = line->options.copies;
  takes_from(
      command->add_option("--copies", copies.of_service,
                          "Copies of one service's requests under way; further ones are not sent"),
      0)
      ->capture_default_str()
      ->group("Limits");
  takes_bytes(
      command->add_option("--copies-bytes", copies.bytes, "Bytes that all copies hold; the same"))
      ->group("Limits");
  command
      ->add_option("--drain-within", line->drain_within,
                   "Seconds that running requests have after SIGTERM")
      ->capture_default_str()
      ->group("Lifecycle");
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace serin::cli
