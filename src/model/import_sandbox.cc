// SPDX-License-Identifier: Apache-2.0
#include "model/import_sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "base/files.h"
#include "model/folder.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

// Rights that the first Landlock has; later ones are added by what the kernel says it knows.
constexpr std::uint64_t kRead =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr std::uint64_t kNever = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK;
constexpr std::uint64_t kRefer = std::uint64_t{1} << 13;     // second version
constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14;  // third version

// System calls that a converter never needs and an attacker does.
constexpr std::array kRefused = {SYS_socket,
                                 SYS_connect,
                                 SYS_bind,
                                 SYS_listen,
                                 SYS_accept4,
                                 SYS_sendto,
                                 SYS_sendmsg,
                                 SYS_ptrace,
                                 SYS_mount,
                                 SYS_umount2,
                                 SYS_pivot_root,
                                 SYS_setns,
                                 SYS_unshare,
                                 SYS_keyctl,
                                 SYS_add_key,
                                 SYS_request_key,
                                 SYS_bpf,
                                 SYS_reboot,
                                 SYS_kexec_load,
                                 SYS_swapon,
                                 SYS_process_vm_readv,
                                 SYS_process_vm_writev,
                                 SYS_userfaultfd,
                                 SYS_io_uring_setup,
                                 SYS_perf_event_open,
                                 SYS_open_by_handle_at,
                                 SYS_init_module,
                                 SYS_finit_module};

std::vector<sock_filter> make_filter() {
  const auto check = [](std::uint32_t nr) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
  };
  const sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  std::vector<sock_filter> filter{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 0, 1),  // the x32 calls have other numbers
      refuse,
  };
  for (const long number : kRefused) {
    filter.push_back(check(static_cast<std::uint32_t>(number)));
    filter.push_back(refuse);
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return filter;
}

long create_ruleset(const landlock_ruleset_attr* attributes, std::size_t size,
                    std::uint32_t flags) {
  return syscall(SYS_landlock_create_ruleset, attributes, size, flags);
}

Status allow(int ruleset, const fs::path& path, std::uint64_t rights) {
  const Descriptor target(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!target.open()) return {};  // what is not there needs no right
  struct stat status{};
  fstat(target.get(), &status);
  constexpr std::uint64_t kOnFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                     LANDLOCK_ACCESS_FS_EXECUTE | kTruncate;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(status.st_mode) ? rights : rights & kOnFiles;
  rule.parent_fd = target.get();
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) return {};
  return fail(Code::kFailedPrecondition,
              path.string() + ": Landlock refuses a rule: " + std::strerror(errno));
}

Result<Descriptor> make_ruleset(const Confined& command) {
  const long version = create_ruleset(nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) {
    return fail(Code::kFailedPrecondition,
                "this kernel has no Landlock, so foreign code cannot be confined; import on one "
                "that has (5.13 or newer)");
  }
  const std::uint64_t newer = (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0);
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = kRead | kWrite | kNever | newer;
  Descriptor ruleset(static_cast<int>(create_ruleset(&attributes, sizeof attributes, 0)));
  if (!ruleset.open())
    return fail(Code::kFailedPrecondition, std::string("Landlock: ") + std::strerror(errno));
  for (const char* path :
       {"/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/python3.11",
        "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu",
        "/sys/devices/system/node", "/dev/urandom", "/dev/random", "/dev/zero"}) {
    SERIN_TRY(allow(ruleset.get(), path, kRead));
  }
  SERIN_TRY(allow(ruleset.get(), "/dev/null", kRead | LANDLOCK_ACCESS_FS_WRITE_FILE));
  for (const fs::path& path : command.readable) SERIN_TRY(allow(ruleset.get(), path, kRead));
  SERIN_TRY(allow(ruleset.get(), command.folder, kRead | kWrite | newer));
  return ruleset;
}

// All that the child needs, made before the fork: after it only system calls are safe.
struct Prepared {
  std::vector<char*> arguments, environment;
  std::vector<sock_filter> filter;
  sock_fprog program{};
  const char* folder = nullptr;
  int ruleset = -1;
  int log = -1;
};

void limit(int resource, rlim_t most) {
  const rlimit value{most, most};
  setrlimit(static_cast<__rlimit_resource_t>(resource), &value);
}

// What a process may read of itself (TensorFlow looks up its own command line). The descriptor
// stays open over the start of the program: the rule is on procfs's inode, which lives only as long
// as something holds it.
void allow_itself(int ruleset) {
  landlock_path_beneath_attr rule{};
  rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  rule.parent_fd = open("/proc/self", O_PATH | O_DIRECTORY);
  if (rule.parent_fd >= 0)
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

[[noreturn]] void become(const Prepared& prepared) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(prepared.log, STDOUT_FILENO);
  dup2(prepared.log, STDERR_FILENO);
  syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  allow_itself(prepared.ruleset);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, 1024);
  const bool confined = chdir(prepared.folder) == 0 &&
                        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                        syscall(SYS_landlock_restrict_self, prepared.ruleset, 0) == 0 &&
                        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prepared.program) == 0;
  if (confined)
    execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  const char* why = confined ? "cannot start the program\n" : "cannot confine the program\n";
  if (write(STDERR_FILENO, why, std::strlen(why)) < 0) _exit(126);
  _exit(126);
}

// The child: namespaces, then a child of its own that is the first process of them; when that ends,
// all in it end.
[[noreturn]] void start(const Prepared& prepared) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A second wall, not the only one: a container may forbid namespaces.
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC) != 0)
    unshare(CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC);
  const pid_t inner = fork();
  if (inner == 0) become(prepared);
  int status = 0;
  while (inner > 0 && waitpid(inner, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(inner < 0 ? 126 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

// From our own descriptor: the path may by now be anything.
std::string tail_of(const Descriptor& log) {
  constexpr off_t kMost = 16 << 10;
  struct stat status{};
  fstat(log.get(), &status);
  const off_t from = std::max<off_t>(0, status.st_size - kMost);
  std::string text(static_cast<std::size_t>(status.st_size - from), '\0');
  const ssize_t count = pread(log.get(), text.data(), text.size(), from);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
  return text;
}

// Waits for the child, and kills it and what it started past the deadline.
ConfinedExit wait_for(pid_t child, std::chrono::milliseconds deadline) {
  ConfinedExit exit;
  const Descriptor handle(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  pollfd ended{handle.get(), POLLIN, 0};
  const auto end = std::chrono::steady_clock::now() + deadline;
  int ready = 0;
  do {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    ready = poll(&ended, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
  } while (ready < 0 && errno == EINTR);
  exit.timed_out = ready == 0;
  if (exit.timed_out) kill(-child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  kill(-child, SIGKILL);  // what it left behind, where it had no process namespace
  exit.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return exit;
}

}  // namespace

Result<ConfinedExit> run_confined(const Confined& command) {
  SERIN_TRY_ASSIGN(const Descriptor ruleset, make_ruleset(command));
  const std::string folder = command.folder.string();
  const fs::path log_path = command.folder / "output.log";
  const Descriptor log(
      ::open(log_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!log.open()) return fail(Code::kUnknown, log_path.string() + ": " + std::strerror(errno));
  std::vector<std::string> arguments = command.arguments;
  Variables variables{
      {"PATH", "/usr/bin:/bin"}, {"HOME", folder}, {"TMPDIR", folder}, {"LANG", "C.UTF-8"}};
  variables.insert(variables.end(), command.environment.begin(), command.environment.end());
  std::vector<std::string> environment = joined(variables);
  Prepared prepared;
  prepared.arguments = pointers_to(arguments);
  prepared.environment = pointers_to(environment);
  prepared.filter = make_filter();
  prepared.program = {static_cast<unsigned short>(prepared.filter.size()), prepared.filter.data()};
  prepared.folder = folder.c_str();
  prepared.ruleset = ruleset.get();
  prepared.log = log.get();
  const pid_t child = fork();
  if (child == 0) start(prepared);
  if (child < 0)
    return fail(Code::kResourceExhausted,
                std::string("cannot start a process: ") + std::strerror(errno));
  setpgid(child, child);
  ConfinedExit exit = wait_for(child, command.deadline);
  exit.output = tail_of(log);
  return exit;
}

}  // namespace serin::model
