// SPDX-License-Identifier: Apache-2.0
#include "worker/upstream/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "base/files.h"
#include "base/log.h"
#include "worker/upstream/log_lines.h"

namespace serin::worker {

using std::chrono::milliseconds;

// Shared between the worker and the keeper.
struct CommandState {
  std::atomic<CommandView::Phase> phase{CommandView::Phase::kWaiting};
  std::atomic<int> pid{0};
  std::atomic<std::uint64_t> started{0};
  std::atomic<int> exit_code{0};
  std::atomic<bool> crash_loop{false};
  std::atomic<Instant> next_start{Instant{}};
  static_assert(std::atomic<Instant>::is_always_lock_free);
};

namespace {

constexpr int kCannotStart = 127;  // as shells say it

milliseconds left_until(Instant until) {
  return std::chrono::ceil<milliseconds>(until - Clock::real().now());
}

// The keeper's whole life, on its one thread.
class Keeper {
 public:
  Keeper(KeptCommand command, CommandState& state, int stop)
      : command_(std::move(command)), state_(state), stop_(stop), restarts_(command_.restarts) {}

  // Also when the worker was killed: it could not clear up, nor may it once it is shut in.
  ~Keeper() {
    std::error_code ignored;
    if (!command_.scratch.empty()) std::filesystem::remove_all(command_.scratch, ignored);
  }

  void keep() {
    for (;;) {
      const Instant began = Clock::real().now();
      run_once();
      if (stopping_) return;
      const milliseconds wait = restarts_.ended_after(Clock::real().now() - began);
      state_.crash_loop = restarts_.crash_loop();
      state_.next_start = Clock::real().now() + wait;
      state_.phase = CommandView::Phase::kWaiting;
      log::warning("the command ended", {{"exit_code", state_.exit_code.load()},
                                         {"restart_in_ms", wait.count()},
                                         {"crash_loop", state_.crash_loop.load()}});
      pollfd watched{stop_, POLLIN, 0};
      if (poll_until(&watched, 1, state_.next_start) > 0) return;
    }
  }

 private:
  // Whether something happened before the time.
  static int poll_until(pollfd* watched, nfds_t count, Instant until) {
    for (;;) {
      const auto left = std::clamp<std::int64_t>(left_until(until).count(), 0, 60'000);
      const int ready = ::poll(watched, count, static_cast<int>(left));
      if (ready > 0 || (ready == 0 && Clock::real().now() >= until)) return ready;
    }
  }

  void run_once() {
    std::array<int, 2> output{-1, -1};
    if (::pipe2(output.data(), O_CLOEXEC) != 0) return;
    const pid_t keeper = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) become_command(keeper, output[1]);
    ::close(output[1]);
    if (child > 0) {
      ::setpgid(child, child);  // as it does itself: whoever comes first, its group is there
      ++state_.started;
      state_.pid = child;
      state_.phase = CommandView::Phase::kRunning;
      log::info("the command runs", {{"pid", child}, {"program", command_.arguments[0]}});
      watch(child, output[0]);
      state_.pid = 0;
    }
    ::close(output[0]);
  }

  // In the child. What cannot be done is said on its standard error, which is the log.
  [[noreturn]] void become_command(pid_t keeper, int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != keeper) ::_exit(kCannotStart);
    ::setpgid(0, 0);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    std::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const auto give_up = [](const std::string& what) {
      ::dprintf(STDERR_FILENO, "%s\n", what.c_str());
      ::_exit(kCannotStart);
    };
    if (::chdir(command_.directory.c_str()) != 0)
      give_up(command_.directory.string() + ": " + std::strerror(errno));
    if (command_.sandbox) {
      if (Status entered = enter_sandbox(*command_.sandbox); !entered)
        give_up(entered.error().message);
    }
    std::vector<std::string> variables = joined(command_.environment);
    ::execvpe(command_.arguments[0].c_str(), pointers_to(command_.arguments).data(),
              pointers_to(variables).data());
    const int problem = errno;
    std::string why = "cannot start " + command_.arguments[0] + ": " + std::strerror(problem);
    if (problem == EACCES && command_.sandbox) why += refused_by_sandbox();
    give_up(why);
    ::_exit(kCannotStart);
  }

  // A virtual environment's Python is a link to one that may be anywhere.
  std::string refused_by_sandbox() const {
    std::error_code unknown;
    const auto real = std::filesystem::canonical(command_.arguments[0], unknown);
    return "; the sandbox starts only what the package, the system's folders and `read` hold" +
           (unknown ? "" : ", and this is " + real.string());
  }

  void watch(pid_t child, int output) {
    ::fcntl(output, F_SETFL, O_NONBLOCK);
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
    LogLines lines([child](std::string_view line, std::uint64_t dropped) {
      if (dropped > 0) log::warning("lines of the command were dropped", {{"lines", dropped}});
      log::info("command", {{"pid", child}, {"line", line}});
    });
    std::array<pollfd, 3> watched{{{pidfd, POLLIN, 0}, {output, POLLIN, 0}, {stop_, POLLIN, 0}}};
    Instant kill_at = Instant::max();
    while (watched[0].revents == 0) {
      const Instant until = std::min(kill_at, Clock::real().now() + std::chrono::minutes(1));
      if (poll_until(watched.data(), watched.size(), until) == 0 &&
          Clock::real().now() >= kill_at) {
        ::kill(-child, SIGKILL);
        kill_at = Instant::max();
      }
      if (watched[1].revents != 0 && !drain(output, lines)) watched[1].fd = -1;
      if (watched[2].revents != 0) {
        stopping_ = true;
        watched[2].fd = -1;
        watched[2].revents = 0;
        ::kill(-child, SIGTERM);
        kill_at = Clock::real().now() + command_.grace;
      }
    }
    ::kill(-child, SIGKILL);  // children of its own that it left behind
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    state_.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    drain(output, lines);
    lines.end(Clock::real().now());
    ::close(pidfd);
  }

  // What there is to read now; false once nobody can write any more.
  static bool drain(int output, LogLines& lines) {
    std::array<char, 16'384> piece;
    for (;;) {
      const ssize_t got = ::read(output, piece.data(), piece.size());
      if (got > 0) lines.feed({piece.data(), static_cast<std::size_t>(got)}, Clock::real().now());
      if (got == 0) return false;
      if (got < static_cast<ssize_t>(piece.size())) return true;
    }
  }

  KeptCommand command_;
  CommandState& state_;
  int stop_;
  Restarts restarts_;
  bool stopping_ = false;
};

}  // namespace

std::string CommandView::sentence(Instant now) const {
  const std::string ended = "the command ended with " + std::to_string(exit_code);
  switch (phase) {
    case Phase::kRunning:
      return {};
    case Phase::kGone:
      return "the process that keeps the command is gone";
    case Phase::kWaiting:
      break;
  }
  if (started == 0) return "the command starts";
  const auto wait = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(next_start - now));
  return (crash_loop ? "crash loop: " : "") + ended + "; it starts again in " +
         std::to_string(wait.count()) + " ms";
}

Result<std::unique_ptr<KeptProcess>> KeptProcess::start(KeptCommand command) {
  void* shared = ::mmap(nullptr, sizeof(CommandState), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fail(error_of_errno(errno, "cannot share memory"));
  auto* state = new (shared) CommandState;
  std::array<int, 2> stop{-1, -1};
  const pid_t worker = ::getpid();
  const pid_t keeper = ::pipe2(stop.data(), O_CLOEXEC) == 0 ? ::fork() : -1;
  if (keeper < 0) return fail(error_of_errno(errno, "cannot start the keeper of the command"));
  if (keeper == 0) {
    ::close(stop[1]);
    ::prctl(PR_SET_NAME, "serin-keeper");
    if (::getppid() == worker) Keeper(std::move(command), *state, stop[0]).keep();
    ::_exit(0);
  }
  ::close(stop[0]);
  return std::unique_ptr<KeptProcess>(new KeptProcess(state, keeper, stop[1]));
}

KeptProcess::~KeptProcess() {
  ::close(stop_);
  while (keeper_ > 0 && ::waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::munmap(state_, sizeof(CommandState));
}

CommandView KeptProcess::view() const {
  CommandView view{state_->phase,     state_->pid,        state_->started,
                   state_->exit_code, state_->crash_loop, state_->next_start};
  siginfo_t ended{};
  if (::waitid(P_PID, static_cast<id_t>(keeper_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      ended.si_pid != 0)
    view.phase = CommandView::Phase::kGone;
  return view;
}

}  // namespace serin::worker
