// SPDX-License-Identifier: Apache-2.0
#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/files.h"

extern char** environ;

namespace serin {
namespace {

using std::chrono::milliseconds;

// Once the command itself has ended, children of its children may hold its output open; they get
// this long to finish writing before the group is killed.
constexpr milliseconds kLastWords{200};

class Pipe {
 public:
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Status open() {
    if (::pipe2(ends_.data(), O_CLOEXEC) == 0) return {};
    return fail(error_of_errno(errno, "cannot make a pipe"));
  }
  int end(int which) const { return ends_[static_cast<std::size_t>(which)]; }
  void close_end(int which) {
    int& number = ends_[static_cast<std::size_t>(which)];
    if (number >= 0) ::close(std::exchange(number, -1));
  }
  void never_block(int which) const { ::fcntl(end(which), F_SETFL, O_NONBLOCK); }

 private:
  std::array<int, 2> ends_{-1, -1};
};

struct Streams {
  Pipe input, output, errors;
};

Result<int> spawn(Command& command, Streams& streams) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, streams.input.end(0), STDIN_FILENO);
  if (command.capture) {
    ::posix_spawn_file_actions_adddup2(&actions, streams.output.end(1), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, streams.errors.end(1), STDERR_FILENO);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  if (!command.directory.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&actions, command.directory.c_str());
  }
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> variables;
  std::vector<char*> environment;
  if (command.environment) {
    variables = joined(*command.environment);
    environment = pointers_to(variables);
  }
  std::vector<char*> arguments = pointers_to(command.arguments);
  pid_t child = 0;
  const int problem = ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(),
                                     command.environment ? environment.data() : environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) {
    std::string where = command.directory.empty() ? "" : " in " + command.directory.string();
    return fail(error_of_errno(problem, "cannot start " + command.arguments[0] + where));
  }
  return child;
}

// Keeps the first `limit` bytes, or the last.
class Kept {
 public:
  Kept(std::size_t limit, bool first) : limit_(limit), first_(first) {}
  void add(std::string_view piece) {
    if (first_) {
      const std::size_t room = limit_ - std::min(limit_, text_.size());
      cut_ = cut_ || piece.size() > room;
      text_ += piece.substr(0, room);
      return;
    }
    text_ += piece;
    // Twice the limit before cutting: the cost of moving stays in proportion to what is read.
    if (text_.size() > limit_ * 2) trim();
  }
  std::string take() {
    trim();
    return std::move(text_);
  }
  bool cut() const { return cut_; }

 private:
  void trim() {
    if (text_.size() > limit_) text_.erase(0, text_.size() - limit_);
  }
  std::size_t limit_;
  bool first_;
  bool cut_ = false;
  std::string text_;
};

}  // namespace

Variables environment_with(const Variables& added) {
  Variables variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (std::ranges::find(added, name, &Variables::value_type::first) == added.end())
      variables.emplace_back(name, text.substr(equals + 1));
  }
  variables.insert(variables.end(), added.begin(), added.end());
  return variables;
}

std::vector<std::string> joined(const Variables& variables) {
  std::vector<std::string> words;
  words.reserve(variables.size());
  for (const auto& [name, value] : variables) words.emplace_back(name).append("=").append(value);
  return words;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Subprocess::State {
  Command command;
  Streams streams;
  Kept output{0, true}, errors{0, false};
  int pid = 0;
  int pidfd = -1;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::optional<Exit> exit;  // set when the command has ended and its output is read
  std::jthread reader;

  ~State() {
    kill_group(SIGKILL);
    if (reader.joinable()) reader.join();
    if (pidfd >= 0) ::close(pidfd);
  }

  // The leader is reaped under the mutex after the last signal, so the group's number cannot be
  // somebody else's.
  void kill_group(int signal) const {
    const std::lock_guard lock(mutex);
    if (pid > 0 && !exit) ::kill(-pid, signal);
  }

  void serve();
  void finish();
  bool serve_once(int timeout_ms);
  void feed();
  void drain(Pipe& pipe, Kept& kept);

  std::size_t fed = 0;
  bool ended = false;
};

void Subprocess::State::feed() {
  const std::string_view rest = std::string_view(command.input).substr(fed);
  const ssize_t written = ::write(streams.input.end(1), rest.data(), rest.size());
  if (written >= 0) fed += static_cast<std::size_t>(written);
  const bool broken =
      written < 0 && errno != EAGAIN && errno != EINTR;  // it does not want to read: its own affair
  if (broken || fed == command.input.size()) streams.input.close_end(1);
}

void Subprocess::State::drain(Pipe& pipe, Kept& kept) {
  std::array<char, 16384> piece;
  const ssize_t got = ::read(pipe.end(0), piece.data(), piece.size());
  if (got > 0) kept.add({piece.data(), static_cast<std::size_t>(got)});
  const bool open = got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  if (!open) pipe.close_end(0);
}

// Waits for one round of events; false once nothing came within the time.
bool Subprocess::State::serve_once(int timeout_ms) {
  std::array<pollfd, 4> watched{{{streams.input.end(1), POLLOUT, 0},
                                 {streams.output.end(0), POLLIN, 0},
                                 {streams.errors.end(0), POLLIN, 0},
                                 {ended ? -1 : pidfd, POLLIN, 0}}};
  const int ready = ::poll(watched.data(), watched.size(), timeout_ms);
  if (ready <= 0) return ready < 0 && errno == EINTR;
  if (watched[0].revents != 0) feed();
  if (watched[1].revents != 0) drain(streams.output, output);
  if (watched[2].revents != 0) drain(streams.errors, errors);
  if (watched[3].revents != 0) ended = true;
  return true;
}

void Subprocess::State::serve() {
  // A command that closes its input must not end us: SIGPIPE stays pending on this thread and goes
  // with it.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!ended) serve_once(-1);
  const auto open = [this] { return streams.output.end(0) >= 0 || streams.errors.end(0) >= 0; };
  const auto until = std::chrono::steady_clock::now() + kLastWords;
  while (open()) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !serve_once(static_cast<int>(left.count()))) break;
  }
  finish();
}

void Subprocess::State::finish() {
  const std::lock_guard lock(mutex);
  ::kill(-pid, SIGKILL);  // children of its own that it left behind
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  Exit result;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  result.code = result.signal != 0 ? 128 + result.signal : WEXITSTATUS(status);
  result.output_cut = output.cut();
  result.output = output.take();
  result.errors = errors.take();
  exit = std::move(result);
  changed.notify_all();
}

Subprocess::Subprocess(std::unique_ptr<State> state) : state_(std::move(state)) {}
Subprocess::~Subprocess() = default;
Subprocess::Subprocess(Subprocess&&) noexcept = default;
Subprocess& Subprocess::operator=(Subprocess&&) noexcept = default;

Result<Subprocess> Subprocess::start(Command command) {
  if (command.arguments.empty() || command.arguments[0].empty())
    return invalid("a command without a program");
  auto state = std::make_unique<State>();
  state->output = Kept(command.output_limit, true);
  state->errors = Kept(command.output_limit, false);
  SERIN_TRY(state->streams.input.open());
  if (command.capture) {
    SERIN_TRY(state->streams.output.open());
    SERIN_TRY(state->streams.errors.open());
  }
  SERIN_TRY_ASSIGN(state->pid, spawn(command, state->streams));
  state->pidfd = static_cast<int>(::syscall(SYS_pidfd_open, state->pid, 0));
  if (state->pidfd < 0) {
    const int problem = errno;
    ::kill(-state->pid, SIGKILL);
    ::waitpid(state->pid, nullptr, 0);
    state->pid = 0;
    return fail(error_of_errno(problem, "cannot watch " + command.arguments[0]));
  }
  state->command = std::move(command);
  state->streams.input.close_end(0);
  state->streams.output.close_end(1);
  state->streams.errors.close_end(1);
  state->streams.input.never_block(1);
  if (state->command.input.empty()) state->streams.input.close_end(1);
  state->reader = std::jthread([serving = state.get()] { serving->serve(); });
  return Subprocess(std::move(state));
}

int Subprocess::pid() const { return state_->pid; }

bool Subprocess::running() const {
  const std::lock_guard lock(state_->mutex);
  return !state_->exit;
}

std::optional<Exit> Subprocess::wait(milliseconds at_most) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, at_most, [this] { return state_->exit.has_value(); });
  return state_->exit;
}

Exit Subprocess::stop(milliseconds grace) {
  state_->kill_group(SIGTERM);
  if (auto ended = wait(grace)) return *std::move(ended);
  state_->kill_group(SIGKILL);
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->exit.has_value(); });
  return *state_->exit;
}

Result<Exit> run_command(Command command, milliseconds deadline, const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(Subprocess process, Subprocess::start(std::move(command)));
  const auto until = std::chrono::steady_clock::now() + deadline;
  // A token has no way to wake a waiter; this is how late a cancellation may be noticed.
  constexpr milliseconds kLook{50};
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
    if (auto ended = process.wait(std::clamp(left, milliseconds(0), kLook)))
      return *std::move(ended);
    const bool cancelled = cancel.cancelled();
    if (!cancelled && left.count() > 0) continue;
    Exit killed = process.stop(milliseconds(0));
    killed.cancelled = cancelled;
    killed.timed_out = !cancelled;
    return killed;
  }
}

}  // namespace serin
