// SPDX-License-Identifier: Apache-2.0
#include "platform/local/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/files.h"

namespace serin::platform::local {
namespace {

constexpr int kInherited = 3;
constexpr int kStartWithinMs = 10'000;
constexpr int kNeverRan = 125;

struct Pipe {
  static Result<Pipe> open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      return fail(error_of_errno(errno, "cannot make a pipe"));
    return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  }
  Descriptor out, in;
};

Result<Descriptor> pidfd_of(int pid) {
  Descriptor opened(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!opened.open())
    return fail(error_of_errno(errno, "cannot watch process " + std::to_string(pid)));
  return opened;
}

// Everything that the child needs, made before it exists: after fork() it may not allocate.
struct Prepared {
  std::vector<std::string> words, variables;
  std::vector<char*> argv, envp;
  std::string program;
  Descriptor nothing, log;
  int inherited = -1;
};

Result<std::unique_ptr<Prepared>> prepare(const Launch& launch) {
  auto made = std::make_unique<Prepared>();
  made->program = launch.program.string();
  made->words = launch.arguments;
  made->inherited = launch.inherited;
  made->variables = joined(environment_with(launch.environment));
  made->argv = pointers_to(made->words);
  made->envp = pointers_to(made->variables);
  made->nothing = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  made->log =
      Descriptor(::open(launch.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!made->nothing.open() || !made->log.open())
    return fail(error_of_errno(errno, "cannot open " + launch.log.string()));
  return made;
}

// In the child, where only what is safe in a signal handler may be called. Ends in the program.
[[noreturn]] void become(const Prepared& made, int gate, int report) {
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  char go = 0;
  ssize_t got = 0;
  do got = ::read(gate, &go, 1);
  while (got < 0 && errno == EINTR);
  if (got != 1) ::_exit(kNeverRan);  // who started us is gone, or does not want us
  ::dup2(made.nothing.get(), STDIN_FILENO);
  ::dup2(made.log.get(), STDOUT_FILENO);
  ::dup2(made.log.get(), STDERR_FILENO);
  // Out of the way of descriptor 3, to which something may be duplicated.
  const int kept = ::fcntl(report, F_DUPFD_CLOEXEC, kInherited + 1);
  if (made.inherited >= 0) {
    if (made.inherited == kInherited) {
      ::fcntl(kInherited, F_SETFD, 0);
    } else {
      ::dup2(made.inherited, kInherited);
    }
  }
  const unsigned first = made.inherited >= 0 ? kInherited + 1 : kInherited;
  ::syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(made.program.c_str(), made.argv.data(), made.envp.data());
  const int problem = errno;
  ::write(kept, &problem, sizeof problem);
  ::_exit(kNeverRan);
}

// Into its cgroups, while it waits: all that it ever uses counts.
void join(const Launch& launch, int pid) {
  const std::string text = std::to_string(pid);
  for (const std::filesystem::path& folder : launch.cgroups) {
    const Descriptor file(::open((folder / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (file.open() && ::write(file.get(), text.data(), text.size()) < 0) continue;
  }
}

// What execve() said; nothing when it went well.
Status wait_for_exec(const Descriptor& report, const std::string& program) {
  pollfd watched{report.get(), POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&watched, 1, kStartWithinMs);
  while (ready < 0 && errno == EINTR);
  if (ready == 0) return fail(Code::kDeadlineExceeded, program + " was not started within 10 s");
  int problem = 0;
  if (::read(report.get(), &problem, sizeof problem) != sizeof problem) return {};
  return fail(error_of_errno(problem, "cannot start " + program));
}

void reap(int pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 128);
  if (!text) return {};
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *std::move(text);
}

std::optional<ProcessStat> parse_stat(std::string_view text) {
  // The name in parentheses may hold anything, parentheses too.
  const std::size_t name = text.rfind(')');
  if (name == std::string_view::npos || name + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(name + 2);
  ProcessStat stat;
  constexpr int kState = 3, kParent = 4, kSession = 6, kStarted = 22;
  for (int field = kState; field <= kStarted; ++field) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    if (word.empty()) return std::nullopt;
    const char* end = word.data() + word.size();
    if (field == kState) stat.state = word.front();
    if (field == kParent && std::from_chars(word.data(), end, stat.parent).ptr != end)
      return std::nullopt;
    if (field == kSession && std::from_chars(word.data(), end, stat.session).ptr != end)
      return std::nullopt;
    if (field == kStarted && std::from_chars(word.data(), end, stat.started).ptr != end)
      return std::nullopt;
    if (space == std::string_view::npos) {
      if (field < kStarted) return std::nullopt;
      break;
    }
    text.remove_prefix(space + 1);
  }
  return stat;
}

std::optional<ProcessStat> read_stat(int pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return std::nullopt;
  return parse_stat(*text);
}

Result<Process> Process::start(const Launch& launch,
                               const std::function<Status(const Identity&)>& record) {
  SERIN_TRY_ASSIGN(const auto prepared, prepare(launch));
  SERIN_TRY_ASSIGN(Pipe gate, Pipe::open());
  SERIN_TRY_ASSIGN(Pipe report, Pipe::open());
  const pid_t child = ::fork();
  if (child < 0) return fail(error_of_errno(errno, "cannot start " + prepared->program));
  if (child == 0) {
    // Our own copy would keep the gate from ending with the parent.
    ::close(gate.in.get());
    become(*prepared, gate.out.get(), report.in.get());
  }
  report.in = Descriptor();
  const auto recorded = [&]() -> Result<Process> {
    SERIN_TRY_ASSIGN(Descriptor pidfd, pidfd_of(child));
    const auto stat = read_stat(child);
    if (!stat) return fail(Code::kUnavailable, prepared->program + " ended before it began");
    const Identity identity{child, stat->started, boot_id()};
    join(launch, child);
    SERIN_TRY(record(identity));
    const char go = 'g';
    if (::write(gate.in.get(), &go, 1) != 1)
      return fail(error_of_errno(errno, "cannot start " + prepared->program));
    SERIN_TRY(wait_for_exec(report.out, prepared->program));
    return Process(identity, std::move(pidfd), true);
  };
  auto process = recorded();
  if (!process) reap(child);
  return process;
}

std::optional<Process> Process::adopt(const Identity& identity) {
  if (identity.pid <= 0 || identity.boot != boot_id()) return std::nullopt;
  // The descriptor first: from then on the pid cannot become another process's.
  auto pidfd = pidfd_of(identity.pid);
  if (!pidfd) return std::nullopt;
  const auto stat = read_stat(identity.pid);
  if (!stat || stat->started != identity.started || stat->state == 'Z' || stat->state == 'X')
    return std::nullopt;
  return Process(identity, *std::move(pidfd), stat->parent == ::getpid());
}

bool Process::stopped() const {
  const auto stat = read_stat(identity_.pid);
  return stat && stat->started == identity_.started && stat->state == 'T';
}

void Process::signal(int number) const {
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

std::optional<Process::End> Process::ended() { return wait(std::chrono::milliseconds(0)); }

std::optional<Process::End> Process::wait(std::chrono::milliseconds at_most) {
  pollfd watched{pidfd_.get(), POLLIN, 0};
  if (::poll(&watched, 1, static_cast<int>(at_most.count())) <= 0) return std::nullopt;
  if (!child_) return End{"it ended while it was not our child: how is not known", false};
  ::kill(-identity_.pid, SIGKILL);  // what it left behind; until it is reaped the number is its own
  siginfo_t info{};
  if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info,
               WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0)
    return End{"how it ended is not known", false};
  child_ = false;
  if (info.si_code == CLD_EXITED)
    return End{"exit code " + std::to_string(info.si_status), info.si_status == 0};
  const char* name = ::strsignal(info.si_status);
  return End{
      "signal " + std::to_string(info.si_status) + " (" + (name == nullptr ? "?" : name) + ")",
      false};
}

}  // namespace serin::platform::local
