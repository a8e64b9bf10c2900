// SPDX-License-Identifier: Apache-2.0
// `serin up` and `serin down`: the control plane of this machine.
//
// SIGINT (Ctrl-C) and `serin down` end everything: requests under way first, then the gateway and
// the workers. SIGTERM ends the control plane alone: gateway and workers serve on, and the next
// `serin up` takes them over.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/files.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "cli/command.h"
#include "cli/live_view.h"
#include "cli/takes.h"
#include "cli/tracing.h"
#include "cli/up.h"
#include "cli/version.h"
#include "control/api/scrape.h"
#include "control/api/server.h"
#include "control/api/views.h"
#include "control/notify/notifier.h"
#include "control/notify/tell.h"
#include "platform/local/local_platform.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;
using platform::local::LocalPlatform;

constexpr std::size_t kEventsShown = 100;  // if there is room

std::string url_of(std::string_view scheme, const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return std::string(scheme) + "://" + (v6 ? "[" + address + "]" : address) + ":" +
         std::to_string(port);
}

std::string gateway_url(const UpLine& line, std::uint16_t port) {
  return url_of(line.certificate.empty() ? "http" : "https", line.address, port);
}

// Nothing unless the control API is to be on the network, which it is only with all that makes it
// safe.
Result<std::optional<control::api::NetworkOptions>> network_options(const UpLine& line) {
  const std::array parts{line.control_address, line.control_certificate, line.control_key,
                         line.control_keys};
  const auto given = std::ranges::count_if(parts, [](const auto& one) { return !one.empty(); });
  if (given == 0) return std::nullopt;
  if (given != parts.size())
    return invalid(
        "--control-address, --control-tls-certificate, --control-tls-key and --control-keys go "
        "together: over the network the control API is there with TLS and keys, or not at all");
  const std::string& address = line.control_address;
  const std::size_t colon = address.rfind(':');
  control::api::NetworkOptions options;
  options.address = address.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']'))
    options.address = options.address.substr(1, options.address.size() - 2);
  const char* last = address.data() + address.size();
  const char* first = colon == std::string::npos ? last : address.data() + colon + 1;
  const auto [end, error] = std::from_chars(first, last, options.port);
  if (error != std::errc() || end != last || options.address.empty())
    return invalid("--control-address " + address + ": write HOST:PORT, such as 0.0.0.0:8443");
  options.tls = {line.control_certificate, line.control_key};
  options.keys = line.control_keys;
  return options;
}

// What a control plane is made of; ends in the other order. None of it starts a process before all
// of it is there: a start that fails leaves nothing running that did not run before.
struct Parts {
  std::unique_ptr<LocalPlatform> platform;
  std::unique_ptr<control::Store> store;
  std::unique_ptr<control::Controller> controller;
  std::unique_ptr<control::Store> outbox;  // the same file, for the notifier alone
  std::unique_ptr<control::notify::Notifier> notifier;
  std::unique_ptr<control::api::ScrapeServer> scrape;  // null: there is no such port
  std::unique_ptr<control::api::Server> api;
  std::string url;
  // Everything is to end, not the control plane alone.
  std::shared_ptr<std::atomic<bool>> end_all = std::make_shared<std::atomic<bool>>(false);

  void start() const {
    platform->start();
    controller->start();
    notifier->start();
  }
};

Result<std::unique_ptr<control::api::ScrapeServer>> scrape_server(const UpLine& line,
                                                                  const Parts& parts) {
  control::api::ScrapeOptions options;
  options.address = line.metrics_address;
  options.port = *line.metrics_port;
  options.relay = [platform = parts.platform.get()](const std::string& process,
                                                    std::string_view accept) {
    return platform->metrics(process, accept);
  };
  return control::api::ScrapeServer::create(*parts.controller, std::move(options));
}

Result<Parts> make_parts(const UpLine& line, const fs::path& state) {
  if (line.certificate.empty() != line.key.empty())
    return invalid("--tls-certificate and --tls-key go together");
  SERIN_TRY_ASSIGN(auto network, network_options(line));
  Parts parts;
  SERIN_TRY_ASSIGN(parts.platform, LocalPlatform::open(platform_options(line, state)));
  SERIN_TRY_ASSIGN(parts.store, control::open_store(state / "control.db"));
  SERIN_TRY_ASSIGN(parts.controller,
                   control::Controller::create(*parts.store, *parts.platform, Clock::real(),
                                               {.build = kVersion}));
  parts.url = gateway_url(line, parts.platform->port());
  control::api::ServerOptions api;
  api.network = std::move(network);
  api.socket = control::api::socket_of(state).string();
  api.status = {{"version", kVersion},
                {"pid", ::getpid()},
                {"state", state.string()},
                {"gateway", parts.url},
                {"started", log::timestamp(Clock::real().wall())}};
  if (line.metrics_port) {
    SERIN_TRY_ASSIGN(parts.scrape, scrape_server(line, parts));
    api.status["metrics"] = url_of("http", line.metrics_address, parts.scrape->port());
  }
  api.stop = [end_all = parts.end_all] {
    *end_all = true;
    ::kill(::getpid(), SIGINT);
  };
  SERIN_TRY_ASSIGN(parts.api, control::api::Server::create(*parts.controller, std::move(api)));
  SERIN_TRY_ASSIGN(parts.outbox, control::open_store(state / "control.db"));
  SERIN_TRY_ASSIGN(auto teller, control::notify::Teller::create(Clock::real()));
  parts.notifier = std::make_unique<control::notify::Notifier>(
      *parts.outbox, Clock::real(), parts.controller->metrics(),
      [teller = std::make_shared<control::notify::Teller>(std::move(teller))](
          const auto& target, const control::Event& event, const CancelToken& cancel) {
        return teller->tell(target, event, cancel);
      });
  return parts;
}

std::string user_name() {
  const char* name = std::getenv("USER");
  return name == nullptr ? "user " + std::to_string(::getuid()) : name;
}

// What could not be done at the start. Written by the thread that applies, read by who shows it.
class Notices {
 public:
  void add(std::string notice) {
    const std::lock_guard lock(mutex_);
    notices_.push_back(std::move(notice));
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return notices_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> notices_;
};

// A manifest that is wrong does not end what runs.
void apply_files(control::Controller& controller, const std::vector<std::string>& files,
                 Notices& notices) {
  const auto note = [&](const Error& error) {
    log::error(error.message);
    notices.add(error.message);
  };
  const auto manifests = read_manifests(files);
  if (!manifests) return note(manifests.error());
  for (const auto& manifest : *manifests) {
    const auto applied = controller.apply({.text = manifest.text,
                                           .file = manifest.file,
                                           .folder = manifest.folder,
                                           .dry_run = false,
                                           .who = user_name()});
    if (!applied) note(applied.error());
  }
}

// Shows what runs while it lives; what is logged meanwhile goes to a file.
class Live {
 public:
  static Result<std::unique_ptr<Live>> create(const fs::path& state) {
    SERIN_TRY_ASSIGN(const std::string file, log_file(state));
    auto live = std::make_unique<Live>();
    live->terminal_ = Descriptor(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    const Descriptor log(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (log.get() < 0 || live->terminal_.get() < 0 || ::dup2(log.get(), STDERR_FILENO) < 0)
      return fail(error_of_errno(errno, "cannot write " + file));
    log::configure(log::settings());
    live->screen_.emplace();
    return live;
  }
  ~Live() {
    screen_.reset();
    ::dup2(terminal_.get(), STDERR_FILENO);
    log::configure(log::settings());
  }

  void draw(control::Controller& controller, const std::string& url, const Notices& notices) {
    LiveView view;
    view.head =
        "serin " + std::string(kVersion) + "   " + url + "   Ctrl-C ends everything that it runs";
    view.notices = notices.all();
    for (const control::ServiceView& service : controller.list())
      view.services.push_back(control::api::to_json(service));
    const auto events = controller.events({.service = {}, .after = 0, .most = kEventsShown});
    if (events) {
      for (const control::Event& event : *events)
        view.events.push_back(control::api::to_json(event));
    }
    screen_->draw(live_page(view, screen_->size()));
  }

 private:
  Descriptor terminal_;
  std::optional<Screen> screen_;
};

// Says how it ends, where somebody sees it.
void say_how_it_ends(bool live, bool all, int signal) {
  const char* how = all ? "ends with everything that it runs, once requests under way have ended"
                        : "ends; gateway and workers serve on";
  if (live) {
    std::cout << "serin " << how << std::endl;
  } else {
    log::info(how, {{"signal", signal}});
  }
}

Status run(const UpLine& line) {
  const sigset_t stops = hold_stop_signals();
  sigset_t waited = stops;
  sigaddset(&waited, SIGWINCH);  // the terminal has another size
  pthread_sigmask(SIG_BLOCK, &waited, nullptr);

  const fs::path state = fs::absolute(line.control.state);
  SERIN_TRY_ASSIGN(Parts parts, make_parts(line, state));
  std::unique_ptr<Live> live;
  const bool seen = !line.plain && ::isatty(STDOUT_FILENO) == 1;
  if (seen) {
    SERIN_TRY_ASSIGN(live, Live::create(state));
  }
  parts.start();
  log::info("up", {{"gateway", parts.url}, {"state", state.string()}});
  Notices notices;
  std::thread files([&] { apply_files(*parts.controller, line.files, notices); });
  int signal = -1;
  while (signal < 0 || signal == SIGWINCH) {
    if (live) live->draw(*parts.controller, parts.url, notices);
    const timespec second{1, 0};
    signal = sigtimedwait(&waited, nullptr, live ? &second : nullptr);
  }
  live.reset();
  const bool all = signal == SIGINT || *parts.end_all;
  say_how_it_ends(seen, all, signal);
  files.join();
  parts.api.reset();
  parts.scrape.reset();
  parts.notifier.reset();
  parts.controller.reset();
  if (all && !parts.platform->shut_down(kEndsWithin))
    return fail(Code::kDeadlineExceeded, "something did not end in time and was left");
  return {};
}

}  // namespace

void add_up(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<UpLine>();
  CLI::App* command =
      app.add_subcommand("up", "Run services on this machine: control plane, gateway, workers");
  takes_path(command->add_option("-f,--file", line->files, "Manifests to apply: files or folders"));
  add_state_option(*command, line->control);
  command->add_option("--address", line->address, "Address of the gateway")->capture_default_str();
  takes_port(command->add_option("--port", line->port, "Port of the gateway; 0: any free one"))
      ->capture_default_str();
  takes_file(command->add_option("--tls-certificate", line->certificate,
                                 "PEM chain of the gateway; TLS 1.2 and up on its port"));
  takes_file(command->add_option("--tls-key", line->key, "PEM key of the certificate"));
  command->add_option("--worker-argument", line->worker_arguments,
                      "Passed on to every serin serve, such as --worker-argument=--threads=2");
  command->add_option("--gateway-argument", line->gateway_arguments,
                      "Passed on to serin gateway, such as --gateway-argument=--access-log=-");
  takes_port(command->add_option(
      "--metrics-port", line->metrics_port,
      "Port for Prometheus: metrics of the control plane, the gateway and the workers, and "
      "/discovery; 0: any free one"));
  command->add_option("--metrics-address", line->metrics_address, "Address of that port")
      ->capture_default_str();
  add_tracing_options(*command, line->tracing);
  command
      ->add_option("--control-address", line->control_address,
                   "HOST:PORT for the control API on the network; with TLS and keys alone")
      ->group("Control over the network");
  takes_file(command->add_option("--control-tls-certificate", line->control_certificate,
                                 "PEM chain for it"))
      ->group("Control over the network");
  takes_file(command->add_option("--control-tls-key", line->control_key, "PEM key of that"))
      ->group("Control over the network");
  takes_file(command->add_option("--control-keys", line->control_keys,
                                 "YAML file of who may use it (docs/control-api.md)"))
      ->group("Control over the network");
  command->add_flag("--detach", line->detach, "Go on in the background");
  command->add_flag("--wait", line->wait, "With --detach: return once every service serves");
  command->add_flag("--plain", line->plain, "Lines instead of a view, also on a terminal");
  command->callback(
      [line, &chosen] { chosen = [line] { return line->detach ? detach(*line) : run(*line); }; });
}

void add_down(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<ControlLine>();
  CLI::App* command = app.add_subcommand("down", "End the control plane and everything it runs");
  add_state_option(*command, *line);
  command->callback([line, &chosen] { chosen = [line] { return down(*line); }; });
}

}  // namespace serin::cli
