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
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/files.h"
#include "base/log.h"
#include "base/stop_signals.h"
#include "base/subprocess.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/live_view.h"
#include "cli/source.h"
#include "cli/takes.h"
#include "cli/version.h"
#include "control/api/server.h"
#include "control/api/views.h"
#include "control/notify/notifier.h"
#include "control/notify/tell.h"
#include "platform/local/local_platform.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;
using platform::local::LocalPlatform;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kUpWithin{60};
constexpr std::chrono::minutes kEndsWithin{2};
constexpr milliseconds kBetweenLooks{100};
constexpr std::size_t kEventsShown = 100;  // if there is room

struct UpLine {
  ControlLine control;
  std::vector<std::string> files;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string certificate, key;  // of the gateway; both or neither
  std::vector<std::string> worker_arguments;
  bool detach = false;
  bool wait = false;
  bool plain = false;
};

std::string gateway_url(const UpLine& line, std::uint16_t port) {
  const bool v6 = line.address.find(':') != std::string::npos;
  return (line.certificate.empty() ? "http://" : "https://") +
         (v6 ? "[" + line.address + "]" : line.address) + ":" + std::to_string(port);
}

// What a control plane is made of; ends in the other order.
struct Parts {
  std::unique_ptr<LocalPlatform> platform;
  std::unique_ptr<control::Store> store;
  std::unique_ptr<control::Controller> controller;
  std::unique_ptr<control::Store> outbox;  // the same file, for the notifier alone
  std::unique_ptr<control::notify::Notifier> notifier;
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
  if (!line.certificate.empty())
    options.gateway_arguments = {"--tls-certificate", fs::absolute(line.certificate).string(),
                                 "--tls-key", fs::absolute(line.key).string()};
  options.gpus = platform::local::find_gpus();
  options.source = source_options(SourceLine());
  return options;
}

Result<Parts> begin(const UpLine& line, const fs::path& state) {
  if (line.certificate.empty() != line.key.empty())
    return invalid("--tls-certificate and --tls-key go together");
  Parts parts;
  SERIN_TRY_ASSIGN(parts.platform, LocalPlatform::open(platform_options(line, state)));
  SERIN_TRY_ASSIGN(parts.store, control::open_store(state / "control.db"));
  SERIN_TRY_ASSIGN(parts.controller,
                   control::Controller::create(*parts.store, *parts.platform, Clock::real()));
  parts.url = gateway_url(line, parts.platform->port());
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
  SERIN_TRY_ASSIGN(parts.outbox, control::open_store(state / "control.db"));
  SERIN_TRY_ASSIGN(auto teller, control::notify::Teller::create(Clock::real()));
  parts.notifier = std::make_unique<control::notify::Notifier>(
      *parts.outbox, Clock::real(),
      [teller = std::make_shared<control::notify::Teller>(std::move(teller))](
          const auto& target, const control::Event& event, const CancelToken& cancel) {
        return teller->tell(target, event, cancel);
      });
  parts.controller->start();
  parts.notifier->start();
  return parts;
}

// Where the control plane logs to when nobody sees it.
Result<std::string> log_file(const fs::path& state) {
  std::error_code problem;
  fs::create_directories(state / "logs", problem);
  if (problem) return fail(Code::kPermissionDenied, "cannot make " + (state / "logs").string());
  return (state / "logs" / "control.log").string();
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
  SERIN_TRY_ASSIGN(Parts parts, begin(line, state));
  std::unique_ptr<Live> live;
  const bool seen = !line.plain && ::isatty(STDOUT_FILENO) == 1;
  if (seen) {
    SERIN_TRY_ASSIGN(live, Live::create(state));
  }
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
  parts.notifier.reset();
  parts.controller.reset();
  if (all && !parts.platform->shut_down(kEndsWithin))
    return fail(Code::kDeadlineExceeded, "something did not end in time and was left");
  return {};
}

// --- in the background

Status start_in_background(const UpLine& line, const fs::path& state) {
  SERIN_TRY_ASSIGN(const std::string file, log_file(state));
  std::vector<std::string> words{"serin",        "up",     "--plain",
                                 "--state",      state,    "--address",
                                 line.address,   "--port", std::to_string(line.port),
                                 "--log-format", "json"};
  for (const std::string& argument : line.worker_arguments)
    words.push_back("--worker-argument=" + argument);
  if (!line.certificate.empty())
    words.insert(words.end(), {"--tls-certificate", line.certificate, "--tls-key", line.key});
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
  takes_path(command->add_option("-f,--file", line->files, "Manifests to apply: files or folders"));
  add_state_option(*command, line->control);
  command->add_option("--address", line->address, "Address of the gateway")->capture_default_str();
  command->add_option("--port", line->port, "Port of the gateway; 0: any free one")
      ->capture_default_str();
  takes_file(command->add_option("--tls-certificate", line->certificate,
                                 "PEM chain of the gateway; TLS 1.2 and up on its port"));
  takes_file(command->add_option("--tls-key", line->key, "PEM key of the certificate"));
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
