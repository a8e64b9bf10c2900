// SPDX-License-Identifier: Apache-2.0
// A control plane that runs in the background: started, waited for, ended.
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "base/descriptor.h"
#include "base/files.h"
#include "base/subprocess.h"
#include "cli/source.h"
#include "cli/tracing.h"
#include "cli/up.h"
#include "platform/local/local_platform.h"
#include "platform/local/logs.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kUpWithin{60};
constexpr milliseconds kBetweenLooks{100};

// A log's last line, without the name that every error begins with.
std::string last_words(const std::string& file) {
  std::string line = platform::local::tail(file, 1);
  if (line.ends_with('\n')) line.pop_back();
  constexpr std::string_view kName = "serin: ";
  return line.starts_with(kName) ? line.substr(kName.size()) : line;
}

// What ends what runs there.
std::string down_command(const fs::path& state) {
  return state == state_directory() ? "serin down" : "serin down --state " + state.string();
}

// The line of the control plane that goes on in the background.
std::vector<std::string> words_of(const UpLine& line, const fs::path& state) {
  std::vector<std::string> words{"serin",        "up",     "--plain",
                                 "--state",      state,    "--address",
                                 line.address,   "--port", std::to_string(line.port),
                                 "--log-format", "json"};
  for (const std::string& argument : line.worker_arguments)
    words.push_back("--worker-argument=" + argument);
  for (const std::string& argument : line.gateway_arguments)
    words.push_back("--gateway-argument=" + argument);
  for (const std::string& argument : arguments_of(line.tracing)) words.push_back(argument);
  if (line.metrics_port) {
    words.push_back("--metrics-port=" + std::to_string(*line.metrics_port));
    words.push_back("--metrics-address=" + line.metrics_address);
  }
  const std::pair<const char*, const std::string&> if_given[] = {
      {"--tls-certificate", line.certificate},
      {"--tls-key", line.key},
      {"--control-address", line.control_address},
      {"--control-tls-certificate", line.control_certificate},
      {"--control-tls-key", line.control_key},
      {"--control-keys", line.control_keys}};
  for (const auto& [option, value] : if_given) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  }
  return words;
}

Status start_in_background(const UpLine& line, const fs::path& state) {
  SERIN_TRY_ASSIGN(const std::string file, log_file(state));
  std::vector<std::string> words = words_of(line, state);
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

  SERIN_TRY_ASSIGN(const auto client, local_client(line.control));
  for (milliseconds waited{0}; waited < kUpWithin; waited += kBetweenLooks) {
    if (client.status()) return {};
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child)
      return fail(Code::kUnavailable,
                  "the control plane ended at once: " + last_words(file) + "; its log is " + file);
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
      // While a rollout runs the stable version serves.
      const bool waits = state == "Starting" || state == "Degraded";
      all = all && !waits;
      for (const json::value& version : at(service, "versions").as_array()) {
        for (const json::value& replica : at(version, "replicas").as_array()) {
          if (text_at(replica, "state") == "crash loop" && waits)
            return fail(Code::kUnavailable, text_at(service, "name") +
                                                " does not start: " + text_at(replica, "message"));
        }
      }
    }
    if (all) return {};
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace

Result<std::string> log_file(const fs::path& state) {
  std::error_code problem;
  fs::create_directories(state / "logs", problem);
  if (problem) return fail(Code::kPermissionDenied, "cannot make " + (state / "logs").string());
  return (state / "logs" / "control.log").string();
}

platform::local::LocalOptions platform_options(const UpLine& line, const fs::path& state) {
  platform::local::LocalOptions options;
  options.state = state;
  options.address = line.address;
  options.port = line.port;
  options.worker_arguments = line.worker_arguments;
  if (!line.certificate.empty())
    options.gateway_arguments = {"--tls-certificate", fs::absolute(line.certificate).string(),
                                 "--tls-key", fs::absolute(line.key).string()};
  for (const auto& more : {line.gateway_arguments, arguments_of(line.tracing)})
    options.gateway_arguments.insert(options.gateway_arguments.end(), more.begin(), more.end());
  for (const std::string& argument : arguments_of(line.tracing))
    options.worker_arguments.push_back(argument);
  options.gpus = platform::local::find_gpus();
  options.source = source_options(SourceLine());
  return options;
}

Status detach(const UpLine& line) {
  const fs::path state = fs::absolute(line.control.state);
  SERIN_TRY_ASSIGN(const auto client, local_client(line.control));
  SERIN_TRY_ASSIGN(const auto manifests, read_manifests(line.files));
  // Where one runs already, the manifests go to it.
  const bool ran = client.status().has_value();
  if (!ran) SERIN_TRY(start_in_background(line, state));
  for (const auto& manifest : manifests) {
    SERIN_TRY_ASSIGN(const json::value answer, client.apply(manifest));
    std::cout << text_at(answer, "name") << " " << text_at(answer, "result") << "\n";
  }
  if (line.wait) SERIN_TRY(wait_until_served(client));
  SERIN_TRY_ASSIGN(const json::value status, client.status());
  std::cout << (ran ? "serin is up already, with the options it began with: " : "serin is up: ")
            << text_at(status, "gateway") << ", process " << text_at(status, "pid") << "; "
            << down_command(line.control.state) << " ends it\n";
  return {};
}

Status down(const ControlLine& line) {
  SERIN_TRY_ASSIGN(const auto client, local_client(line));
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
  SERIN_TRY_ASSIGN(const auto platform, platform::local::LocalPlatform::open(std::move(options)));
  platform->start();
  if (!platform->shut_down(kEndsWithin))
    return fail(Code::kDeadlineExceeded, "something did not end in time and was left");
  std::cout << "no control plane ran; what it had left has ended\n";
  return {};
}

}  // namespace serin::cli
