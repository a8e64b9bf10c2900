// SPDX-License-Identifier: Apache-2.0
// `serin up` and `serin down`: the control plane of this machine.
//
// SIGINT (Ctrl-C) and `serin down` end everything: requests under way first, then the gateway and
// the workers. SIGTERM ends the control plane alone: gateway and workers serve on, and the next
// `serin up` takes them over.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/files.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/service_table.h"
#include "cli/source.h"
#include "cli/version.h"
#include "control/api/server.h"
#include "control/api/views.h"
#include "platform/local/local_platform.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;
using platform::local::LocalPlatform;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kUpWithin{60};
constexpr std::chrono::minutes kEndsWithin{2};
constexpr milliseconds kBetweenLooks{100};
constexpr std::size_t kEventsShown = 8;

struct UpLine {
  ControlLine control;
  std::vector<std::string> files;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::vector<std::string> worker_arguments;
  bool detach = false;
  bool wait = false;
  bool plain = false;
};

std::string gateway_url(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

// What a control plane is made of; ends in the other order.
struct Parts {
  std::unique_ptr<LocalPlatform> platform;
  std::unique_ptr<control::Store> store;
  std::unique_ptr<control::Controller> controller;
  std::unique_ptr<control::api::Server> api;
  std::string url;
  // Everything is to end, not the control plane alone.
  std::shared_ptr<std::atomic<bool>> end_all = std::make_shared<std::atomic<bool>>(false);
};

platform::local::LocalOptions platform_options(const UpLine& line, const fs::path& state) {
  platform::local::LocalOptions options;
  options.state = state;
  options.address = line.address;
  options.port = line.port;
  options.worker_arguments = line.worker_arguments;
  options.gpus = platform::local::find_gpus();
  options.source = source_options(SourceLine());
  return options;
}

Result<Parts> begin(const UpLine& line, const fs::path& state) {
  Parts parts;
  SERIN_TRY_ASSIGN(parts.platform, LocalPlatform::open(platform_options(line, state)));
  SERIN_TRY_ASSIGN(parts.store, control::open_store(state / "control.db"));
  SERIN_TRY_ASSIGN(parts.controller,
                   control::Controller::create(*parts.store, *parts.platform, Clock::real()));
  parts.url = gateway_url(line.address, parts.platform->port());
  control::api::ServerOptions api;
  api.socket = control::api::socket_of(state).string();
  api.status = {{"version", kVersion},
                {"pid", ::getpid()},
                {"state", state.string()},
                {"gateway", parts.url},
                {"started", log::timestamp(Clock::real().wall())}};
  api.stop = [end_all = parts.end_all] {
    *end_all = true;
    ::kill(::getpid(), SIGINT);
  };
  SERIN_TRY_ASSIGN(parts.api, control::api::Server::create(*parts.controller, std::move(api)));
  parts.controller->start();
  return parts;
}

std::string user_name() {
  const char* name = std::getenv("USER");
  return name == nullptr ? "user " + std::to_string(::getuid()) : name;
}

// A manifest that is wrong does not end what runs.
void apply_files(control::Controller& controller, const std::vector<std::string>& files) {
  const auto manifests = read_manifests(files);
  if (!manifests) return log::error(manifests.error().message);
  for (const auto& manifest : *manifests) {
    const auto applied = controller.apply({.text = manifest.text,
                                           .file = manifest.file,
                                           .folder = manifest.folder,
                                           .dry_run = false,
                                           .who = user_name()});
    if (!applied) log::error(applied.error().message);
  }
}

// The whole screen, from the top.
void draw(control::Controller& controller, const std::string& url) {
  json::array services;
  for (const control::ServiceView& view : controller.list())
    services.push_back(control::api::to_json(view));
  std::string text = "\x1b[H\x1b[2Jserin " + std::string(kVersion) + "   " + url +
                     "   Ctrl-C ends everything\n\n" + version_table(services) + "\n";
  for (const json::value& service : services) {
    const json::value& rollout = at(service, "rollout");
    if (rollout.is_object()) text += text_at(service, "name") + ": " + rollout_line(rollout) + "\n";
  }
  const auto events = controller.events({.service = {}, .after = 0, .most = kEventsShown});
  if (events) {
    text += "\n";
    for (const control::Event& event : *events) text += event_line(control::api::to_json(event));
  }
  std::cout << text << std::flush;
}

Status run(const UpLine& line) {
  const sigset_t stops = hold_stop_signals();

  const bool live = !line.plain && ::isatty(STDOUT_FILENO) == 1;
  if (live) log::configure({log::Level::kError, log::settings().form});
  SERIN_TRY_ASSIGN(Parts parts, begin(line, fs::absolute(line.control.state)));
  log::info("up", {{"gateway", parts.url}, {"state", line.control.state.string()}});
  std::thread files([&] { apply_files(*parts.controller, line.files); });
  int signal = -1;
  while (signal < 0) {
    if (live) draw(*parts.controller, parts.url);
    const timespec second{1, 0};
    signal = sigtimedwait(&stops, nullptr, live ? &second : nullptr);
  }
  const bool all = signal == SIGINT || *parts.end_all;
  log::info(all ? "ends with everything that it runs" : "ends; gateway and workers serve on",
            {{"signal", signal}});
  files.join();
  parts.api.reset();
  parts.controller.reset();
  if (all && !parts.platform->shut_down(kEndsWithin))
    return fail(Code::kDeadlineExceeded, "something did not end in time and was left");
  return {};
}

// --- in the background

Status start_in_background(const UpLine& line, const fs::path& state) {
  std::error_code problem;
  fs::create_directories(state / "logs", problem);
  if (problem) return fail(Code::kPermissionDenied, "cannot make " + (state / "logs").string());
  const std::string file = (state / "logs" / "control.log").string();
  std::vector<std::string> words{"serin",        "up",     "--plain",
                                 "--state",      state,    "--address",
                                 line.address,   "--port", std::to_string(line.port),
                                 "--log-format", "json"};
  for (const std::string& argument : line.worker_arguments)
    words.push_back("--worker-argument=" + argument);
  const std::vector<char*> arguments = pointers_to(words);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, file.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, "/proc/self/exe", &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return fail(error_of_errno(failed, "cannot start the control plane"));

  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  for (milliseconds waited{0}; waited < kUpWithin; waited += kBetweenLooks) {
    if (client.status()) return {};
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child)
      return fail(Code::kUnavailable,
                  "the control plane ended at once; its last words are in " + file);
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return fail(Code::kDeadlineExceeded, "the control plane does not answer; its log is " + file);
}

// Until every service serves, or one says that it cannot.
Status wait_until_served(const control::api::Client& client) {
  while (true) {
    SERIN_TRY_ASSIGN(const json::array services, client.services());
    bool all = true;
    for (const json::value& service : services) {
      const std::string state = text_at(service, "state");
      all = all && state == "Serving";
      for (const json::value& version : at(service, "versions").as_array()) {
        for (const json::value& replica : at(version, "replicas").as_array()) {
          if (text_at(replica, "state") == "crash loop" && state == "Starting")
            return fail(Code::kUnavailable, text_at(service, "name") +
                                                " does not start: " + text_at(replica, "message"));
        }
      }
    }
    if (all) return {};
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

Status detach(const UpLine& line) {
  const fs::path state = fs::absolute(line.control.state);
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  // Where one runs already, the manifests go to it.
  if (!client.status()) SERIN_TRY(start_in_background(line, state));
  SERIN_TRY_ASSIGN(const auto manifests, read_manifests(line.files));
  for (const auto& manifest : manifests) {
    SERIN_TRY_ASSIGN(const json::value answer, client.apply(manifest));
    std::cout << text_at(answer, "name") << " " << text_at(answer, "result") << "\n";
  }
  if (line.wait) SERIN_TRY(wait_until_served(client));
  SERIN_TRY_ASSIGN(const json::value status, client.status());
  std::cout << "serin is up: " << text_at(status, "gateway") << ", process "
            << text_at(status, "pid") << "; serin down ends it\n";
  return {};
}

// --- down

Status down(const ControlLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line));
  const auto status = client.status();
  if (status) {
    const auto process = static_cast<pid_t>(number_at(*status, "pid"));
    // Readable once it has ended, whoever its parent is.
    const Descriptor end(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    SERIN_TRY(client.stop());
    pollfd waited{end.get(), POLLIN, 0};
    if (::poll(&waited, 1, static_cast<int>(milliseconds(kEndsWithin).count())) != 1)
      return fail(Code::kDeadlineExceeded, "process " + std::to_string(process) + " still drains");
    std::cout << "everything has ended\n";
    return {};
  }
  const fs::path state = fs::absolute(line.state);
  std::error_code ignored;
  if (!fs::exists(state / "local.db", ignored))
    return fail(Code::kNotFound, "nothing was ever up in " + state.string());
  // The control plane was killed: what it left running is taken over, to be ended.
  UpLine own;
  own.port = 0;
  platform::local::LocalOptions options = platform_options(own, state);
  options.only_end = true;
  SERIN_TRY_ASSIGN(const auto platform, LocalPlatform::open(std::move(options)));
  if (!platform->shut_down(kEndsWithin))
    return fail(Code::kDeadlineExceeded, "something did not end in time and was left");
  std::cout << "no control plane ran; what it had left has ended\n";
  return {};
}

}  // namespace

void add_up(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<UpLine>();
  CLI::App* command =
      app.add_subcommand("up", "Run services on this machine: control plane, gateway, workers");
  command->add_option("-f,--file", line->files, "Manifests to apply: files or folders");
  add_state_option(*command, line->control);
  command->add_option("--address", line->address, "Address of the gateway")->capture_default_str();
  command->add_option("--port", line->port, "Port of the gateway; 0: any free one")
      ->capture_default_str();
  command->add_option("--worker-argument", line->worker_arguments,
                      "Passed on to every serin serve, such as --worker-argument=--threads=2");
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
