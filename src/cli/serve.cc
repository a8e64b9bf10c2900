// SPDX-License-Identifier: Apache-2.0
// `serin serve PACKAGE`: one process, one package.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "cli/command.h"
#include "cli/source.h"
#include "cli/takes.h"
#include "cli/tracing.h"
#include "cli/version.h"
#include "worker/keys.h"
#include "worker/worker.h"

namespace serin::cli {
namespace {

using std::chrono::milliseconds;

// What stands on the line, before it is turned into options.
struct ServeLine {
  std::string package;
  SourceLine source;
  worker::WorkerOptions options;
  std::uint16_t port = 5000;
  bool no_port = false;
  std::string device = "auto";
  std::string certificate, key;
  std::string key_file;
  std::string sandbox = "on";
  std::size_t body_megabytes = 64;
  double ready_within = 60, drain_within = 30, timeout = 0, idle_timeout = 75, idle_probe = 10;
  double keep_videos = 86'400;
  double header_timeout = 10, body_timeout = 60, write_timeout = 60;
};

// A chat template's context goes two levels deeper, and is read down to 128.
constexpr int kDeepestJson = 100;

milliseconds seconds(double value) { return milliseconds(static_cast<std::int64_t>(value * 1000)); }

Result<worker::WorkerOptions> options_of(const ServeLine& line,
                                         const std::filesystem::path& package) {
  worker::WorkerOptions options = line.options;
  options.package = package;
  options.build = kVersion;
  SERIN_TRY_ASSIGN(options.engine.device, engine::parse_device(line.device));
  if (!line.no_port) options.server.port = line.port;
  if (line.no_port && options.server.unix_socket.empty()) {
    return invalid("--no-port needs --socket: there would be nothing to listen on");
  }
  if (line.certificate.empty() != line.key.empty()) {
    return invalid("--tls-certificate and --tls-key go together");
  }
  if (!line.certificate.empty()) options.server.tls = net::TlsFiles{line.certificate, line.key};
  if (!line.key_file.empty()) {
    SERIN_TRY_ASSIGN(options.key_hashes, worker::read_key_hashes(line.key_file));
  }
  options.pinned = !line.source.digest.empty();
  options.sandbox = line.sandbox == "on";
  options.server.limits.body_bytes = line.body_megabytes << 20;
  options.server.limits.bodies_bytes =
      std::max<std::uint64_t>(options.server.limits.bodies_bytes, options.server.limits.body_bytes);
  options.server.limits.idle_timeout = seconds(line.idle_timeout);
  options.server.limits.header_timeout = seconds(line.header_timeout);
  options.server.limits.body_timeout = seconds(line.body_timeout);
  options.server.limits.write_timeout = seconds(line.write_timeout);
  options.ready_within = seconds(line.ready_within);
  options.drain_within = seconds(line.drain_within);
  options.default_timeout = seconds(line.timeout);
  // An idle engine must have advanced twice before anybody may call it stuck.
  options.engine.idle_probe_interval = std::min(seconds(line.idle_probe), options.ready_within / 2);
  options.upstream.requests = options.engine.queue_requests;
  options.engine.cache = cache_directory() / "compiled";
  options.videos.keep = std::chrono::duration_cast<std::chrono::seconds>(seconds(line.keep_videos));
  if (options.state.empty())
    options.state = cache_directory() / "state" / options.package.filename();
  return options;
}

Status serve(const ServeLine& line) {
  // A fetch is ended by SIGINT and SIGTERM as by any other end, and goes on at the next start.
  SERIN_TRY_ASSIGN(const auto held,
                   model::fetch_package(line.package, source_options(line.source)));
  const sigset_t stops = hold_stop_signals();

  SERIN_TRY_ASSIGN(auto options, options_of(line, held.root));
  SERIN_TRY_ASSIGN(const auto worker, worker::Worker::create(std::move(options)));
  log::info("listening", {{"port", worker->port()}});
  // Compiling and reading a model take minutes: nobody waits for them to be told to stop.
  auto loaded = std::async(std::launch::async, [&] { return worker->load(); });
  while (loaded.wait_for(milliseconds(100)) != std::future_status::ready) {
    const timespec at_once{};
    if (sigtimedwait(&stops, nullptr, &at_once) <= 0) continue;
    log::info("stopped while the model was loading");
    std::_Exit(0);
  }
  SERIN_TRY(loaded.get());
  int signal = 0;
  sigwait(&stops, &signal);
  log::info("stopping", {{"signal", signal}});
  worker->drain();
  return {};
}

template <class T>
void add_limit(CLI::App& command, const std::string& name, T& value, const std::string& help) {
  takes_positive(command.add_option(name, value, help))->capture_default_str()->group("Limits");
}

template <class T>
void add_bytes(CLI::App& command, const std::string& name, T& value, const std::string& help) {
  takes_bytes(command.add_option(name, value, help))->group("Limits");
}

// Limits on what one client may send, take and cost, that are seldom changed.
void add_client_limits(CLI::App& command, ServeLine& line) {
  net::ServerLimits& limits = line.options.server.limits;
  add_bytes(command, "--max-header-bytes", limits.header_bytes, "Largest head of a request");
  add_limit(command, "--max-header-fields", limits.header_fields, "Fields of a request's head");
  add_limit(command, "--header-timeout", line.header_timeout, "Seconds for a request's head");
  add_limit(command, "--body-timeout", line.body_timeout, "Seconds between two reads of a body");
  add_limit(command, "--write-timeout", line.write_timeout,
            "Seconds that a client may take no byte of its answer");
  add_bytes(command, "--unsent-bytes", limits.unsent_bytes,
            "Bytes of a stream that its client has not taken");
  add_limit(command, "--streams", limits.streams_per_connection,
            "Requests at once on one HTTP/2 connection");
  add_bytes(command, "--bodies-bytes", limits.bodies_bytes,
            "Bodies of all requests together, at least --max-body-mb; further ones get 429");
  takes_between(
      command.add_option("--max-json-depth", line.options.json.depth, "Levels of a body of JSON"),
      1, kDeepestJson)
      ->capture_default_str()
      ->group("Limits");
  add_bytes(command, "--max-string-bytes", line.options.requests.string_bytes, "Longest text");
  add_bytes(command, "--max-media-bytes", line.options.requests.media_bytes,
            "Largest picture or sound that is sent");
  add_bytes(command, "--max-pixel-bytes", line.options.pixel_bytes,
            "Pictures of one answer, before they are encoded");
  add_limit(command, "--queue-cost", line.options.engine.queue_cost,
            "Estimated cost of what may wait, in rows of one call of the model");
  add_limit(command, "--pool-queue", line.options.pool_tasks,
            "Large requests that may wait to be read; further ones get 429");
}

}  // namespace

void add_serve(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<ServeLine>();
  worker::WorkerOptions& options = line->options;
  CLI::App* command = app.add_subcommand("serve", "Serve one package over HTTP and gRPC");
  takes_package(command->add_option("package", line->package, kSourceHelp))->required();
  add_source_options(*command, line->source);

  takes_port(command->add_option("--port", line->port, "TCP port; 0: any free one"))
      ->capture_default_str()
      ->group("Listening");
  command->add_flag("--no-port", line->no_port, "Listen on --socket alone")->group("Listening");
  command->add_option("--address", options.server.address, "Address for the port")
      ->capture_default_str()
      ->group("Listening");
  takes_path(
      command->add_option("--socket", options.server.unix_socket, "Unix socket to listen on too"))
      ->group("Listening");
  takes_file(command->add_option("--tls-certificate", line->certificate,
                                 "PEM chain; TLS 1.2 and up on the port"))
      ->group("Listening");
  takes_file(command->add_option("--tls-key", line->key, "PEM key of the certificate"))
      ->group("Listening");
  takes_file(command->add_option("--key-file", line->key_file,
                                 "SHA-256 of each accepted bearer key, one a line"))
      ->group("Listening");
  takes_between(
      command->add_option("--io-threads", options.server.threads, "Threads that speak to clients"),
      1, 64)
      ->capture_default_str()
      ->group("Listening");

  takes_words(command->add_option("--device", line->device, "Where the model runs"), kDevices)
      ->capture_default_str()
      ->group("Model");
  takes_between(
      command->add_option("--threads", options.engine.threads, "Threads of one operation"), 1, 256)
      ->capture_default_str()
      ->group("Model");
  takes_bytes(command->add_option("--memory-limit", options.engine.memory_limit_bytes,
                                  "Bytes of device memory; 0: no cap"))
      ->group("Model");
  takes_file(command->add_option("--trust", options.trust,
                                 "Public key or authority that must have signed the package"))
      ->group("Model");
  command
      ->add_flag("--allow-command", options.upstream.allow_command,
                 "Let a remote package start its command")
      ->group("Model");
  takes_file(command->add_option("--upstream-key-file", options.upstream.key_file,
                                 "The key that a remote package's upstream wants"))
      ->group("Model");
  takes_one_of(command->add_option("--sandbox", line->sandbox,
                                   "Whether the worker is kept from files and network"),
               {"on", "off"})
      ->capture_default_str()
      ->group("Model");

  command->add_option("--service", options.service, "Name of the service; default: the package's")
      ->group("Names");
  command->add_option("--version-label", options.version, "Label of this version")
      ->capture_default_str()
      ->group("Names");
  add_tracing_options(*command, options.tracing);
  takes_folder(command->add_option("--state", options.state, "Folder for durable jobs"))
      ->group("Names");

  takes_from(command->add_option("--queue", options.engine.queue_requests,
                                 "Requests that may wait; further ones get 429"),
             0)
      ->capture_default_str()
      ->group("Limits");
  takes_between(command->add_option("--max-body-mb", line->body_megabytes, "Largest body"), 1, 4096)
      ->capture_default_str()
      ->group("Limits");
  takes_positive(
      command->add_option("--connections", options.server.limits.connections, "Open connections"))
      ->capture_default_str()
      ->group("Limits");
  takes_positive(
      command->add_option("--max-tokens", options.requests.max_tokens, "Tokens of one answer"))
      ->capture_default_str()
      ->group("Limits");
  takes_positive(command->add_option("--max-choices", options.choices, "Answers of one request"))
      ->capture_default_str()
      ->group("Limits");
  takes_from(command->add_option("--timeout", line->timeout,
                                 "Seconds for a request that brings no deadline; 0: none"),
             0)
      ->capture_default_str()
      ->group("Limits");
  takes_positive(command->add_option("--videos", options.videos.jobs,
                                     "Video jobs kept; a further one gets 429"))
      ->capture_default_str()
      ->group("Limits");
  takes_bytes(command->add_option("--video-bytes", options.videos.bytes,
                                  "Bytes of the videos that are kept"))
      ->group("Limits");
  takes_positive(command->add_option("--keep-videos", line->keep_videos,
                                     "Seconds until a video that is over is forgotten"))
      ->capture_default_str()
      ->group("Limits");
  takes_from(command->add_option("--idle-timeout", line->idle_timeout,
                                 "Seconds an idle connection is kept"),
             0)
      ->capture_default_str()
      ->group("Limits");
  add_client_limits(*command, *line);

  takes_from(command->add_option("--ready-within", line->ready_within,
                                 "Seconds without progress until not ready"),
             0)
      ->capture_default_str()
      ->group("Lifecycle");
  takes_from(command->add_option("--idle-probe", line->idle_probe,
                                 "Seconds between golden requests of an idle engine"),
             0)
      ->capture_default_str()
      ->group("Lifecycle");
  takes_from(command->add_option("--drain-within", line->drain_within,
                                 "Seconds that running requests have after SIGTERM"),
             0)
      ->capture_default_str()
      ->group("Lifecycle");
  command->callback([line, &chosen] { chosen = [line] { return serve(*line); }; });
}

}  // namespace serin::cli
