// SPDX-License-Identifier: Apache-2.0
#include "worker/lifecycle/sandbox.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <sstream>

#include "base/shared_object.h"
#include "net/http/uri.h"

// Debian 12's headers know Landlock up to ABI 2; these are later ones, from the kernel's
// documentation.
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

namespace serin::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kIoctlDevice = 1ULL << 15;  // ABI 5
constexpr std::uint64_t kBindTcp = 1ULL << 0;       // ABI 4
constexpr std::uint64_t kConnectTcp = 1ULL << 1;
constexpr int kRuleNetPort = 2;

constexpr std::uint64_t kScopeAbstractSockets = 1ULL << 0;  // ABI 6
constexpr std::uint64_t kScopeSignals = 1ULL << 1;

// The structures of ABI 6; older kernels take a shorter prefix.
struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};
struct PortRule {
  std::uint64_t allowed_access;
  std::uint64_t port;
};

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWrite =
    kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE;

tl::unexpected<Error> kernel_error(std::string_view what) {
  return fail(Code::kFailedPrecondition, "the sandbox cannot be entered: " + std::string(what) +
                                             ": " + std::strerror(errno) +
                                             "; a kernel of 5.13 or newer with Landlock and "
                                             "seccomp is needed, or serve with --sandbox=off a "
                                             "package that you trust");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::uint64_t known_to(int abi, std::uint64_t access) {
  if (abi < 2) access &= ~std::uint64_t{LANDLOCK_ACCESS_FS_REFER};
  if (abi < 3) access &= ~std::uint64_t{LANDLOCK_ACCESS_FS_TRUNCATE};
  if (abi < 5) access &= ~kIoctlDevice;
  return access;
}

Status allow_path(int ruleset, const fs::path& path, std::uint64_t access) {
  const Descriptor opened(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (opened.get() < 0) return {};  // what is not there needs no rule
  struct stat status{};
  if (fstat(opened.get(), &status) != 0) return kernel_error(path.string());
  constexpr std::uint64_t kForFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                      LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                                      kIoctlDevice;
  if (!S_ISDIR(status.st_mode)) access &= kForFiles;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = access;
  rule.parent_fd = opened.get();
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return kernel_error("a rule for " + path.string());
  }
  return {};
}

Status allow_ports(int ruleset, const std::vector<std::uint16_t>& ports, std::uint64_t access) {
  for (const std::uint16_t port : ports) {
    PortRule rule{access, port};
    if (syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &rule, 0) != 0) {
      return kernel_error("a rule for port " + std::to_string(port));
    }
  }
  return {};
}

Status restrict_files_and_ports(const Sandbox& sandbox) {
  const int abi = landlock_abi();
  if (abi < 1) return kernel_error("Landlock");
  RulesetAttributes attributes{};
  attributes.handled_access_fs =
      known_to(abi, kWrite | kIoctlDevice | LANDLOCK_ACCESS_FS_EXECUTE |
                        LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                        LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM);
  if (abi >= 4) attributes.handled_access_net = kBindTcp | kConnectTcp;
  if (abi >= 6 && sandbox.programs) attributes.scoped = kScopeAbstractSockets | kScopeSignals;
  const std::size_t size = (abi >= 6 ? 3 : abi >= 4 ? 2 : 1) * sizeof(std::uint64_t);
  const Descriptor ruleset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
  if (ruleset.get() < 0) return kernel_error("a Landlock ruleset");
  const std::uint64_t programs = sandbox.programs ? LANDLOCK_ACCESS_FS_EXECUTE : 0;
  for (const fs::path& path : sandbox.read)
    SERIN_TRY(allow_path(ruleset.get(), path, kRead | programs));
  for (const fs::path& path : sandbox.write) {
    std::error_code ignored;
    fs::create_directories(path, ignored);
    SERIN_TRY(allow_path(ruleset.get(), path, known_to(abi, kWrite)));
  }
  for (const fs::path& path : sandbox.devices)
    SERIN_TRY(allow_path(ruleset.get(), path, known_to(abi, kWrite | kIoctlDevice)));
  if (abi >= 4) {
    SERIN_TRY(allow_ports(ruleset.get(), sandbox.bind, kBindTcp));
    SERIN_TRY(allow_ports(ruleset.get(), sandbox.connect, kConnectTcp));
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) return kernel_error("Landlock");
  return {};
}

// System calls with no place in a worker. They answer EPERM: a library that tries one goes on
// without.
constexpr std::array kRefused = {SCMP_SYS(ptrace),
                                 SCMP_SYS(process_vm_readv),
                                 SCMP_SYS(process_vm_writev),
                                 SCMP_SYS(pidfd_getfd),
                                 SCMP_SYS(mount),
                                 SCMP_SYS(umount2),
                                 SCMP_SYS(pivot_root),
                                 SCMP_SYS(chroot),
                                 SCMP_SYS(setns),
                                 SCMP_SYS(unshare),
                                 SCMP_SYS(open_by_handle_at),
                                 SCMP_SYS(name_to_handle_at),
                                 SCMP_SYS(bpf),
                                 SCMP_SYS(perf_event_open),
                                 SCMP_SYS(userfaultfd),
                                 SCMP_SYS(io_uring_setup),
                                 SCMP_SYS(io_uring_enter),
                                 SCMP_SYS(io_uring_register),
                                 SCMP_SYS(init_module),
                                 SCMP_SYS(finit_module),
                                 SCMP_SYS(delete_module),
                                 SCMP_SYS(kexec_load),
                                 SCMP_SYS(kexec_file_load),
                                 SCMP_SYS(reboot),
                                 SCMP_SYS(swapon),
                                 SCMP_SYS(swapoff),
                                 SCMP_SYS(add_key),
                                 SCMP_SYS(request_key),
                                 SCMP_SYS(keyctl),
                                 SCMP_SYS(acct),
                                 SCMP_SYS(quotactl),
                                 SCMP_SYS(settimeofday),
                                 SCMP_SYS(clock_settime),
                                 SCMP_SYS(clock_adjtime),
                                 SCMP_SYS(adjtimex),
                                 SCMP_SYS(sethostname),
                                 SCMP_SYS(setdomainname),
                                 SCMP_SYS(iopl),
                                 SCMP_SYS(ioperm),
                                 SCMP_SYS(personality),
                                 SCMP_SYS(lookup_dcookie),
                                 SCMP_SYS(vhangup),
                                 SCMP_SYS(setuid),
                                 SCMP_SYS(setgid),
                                 SCMP_SYS(setresuid),
                                 SCMP_SYS(setresgid),
                                 SCMP_SYS(mknod),
                                 SCMP_SYS(mknodat),
                                 SCMP_SYS(fanotify_init),
                                 SCMP_SYS(move_mount),
                                 SCMP_SYS(fsopen),
                                 SCMP_SYS(open_tree)};

Status restrict_system_calls(const Sandbox& sandbox) {
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                                seccomp_release);
  if (filter == nullptr) return kernel_error("seccomp");
  auto refuse = [&](int call, std::initializer_list<scmp_arg_cmp> when) {
    return seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(EPERM), call,
                                  static_cast<unsigned>(when.size()), std::data(when)) == 0;
  };
  for (const int call : kRefused) {
    if (!refuse(call, {})) return kernel_error("a seccomp rule");
  }
  // Streams over IP and Unix sockets are all a worker speaks: no raw packets, no netlink, and no
  // datagrams but to look names up. One condition a rule: libseccomp 2.5 loses rules
  // that compare two arguments beside one that compares the first.
  const scmp_datum_t kinds = ~static_cast<unsigned>(SOCK_NONBLOCK | SOCK_CLOEXEC);
  const scmp_arg_cmp other_family{0, SCMP_CMP_GT, AF_INET6, 0};
  const scmp_arg_cmp raw{1, SCMP_CMP_MASKED_EQ, kinds, SOCK_RAW};
  const scmp_arg_cmp datagram{1, SCMP_CMP_MASKED_EQ, kinds, SOCK_DGRAM};
  bool ruled = refuse(SCMP_SYS(socket), {other_family}) && refuse(SCMP_SYS(socket), {raw});
  if (sandbox.connect.empty() && !sandbox.connect_unix)
    ruled = ruled && refuse(SCMP_SYS(connect), {});
  if (!sandbox.datagrams) ruled = ruled && refuse(SCMP_SYS(socket), {datagram});
  if (!sandbox.programs)
    ruled = ruled && refuse(SCMP_SYS(execve), {}) && refuse(SCMP_SYS(execveat), {});
  if (!ruled || seccomp_load(filter.get()) != 0) return kernel_error("seccomp");
  return {};
}

// What NVIDIA's driver and libraries open as they are needed.
void add_gpu(Sandbox& sandbox) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/dev", ignored)) {
    if (entry.path().filename().string().starts_with("nvidia"))
      sandbox.devices.push_back(entry.path());
  }
#ifdef SERIN_LIBTORCH
  // NVIDIA's libraries beside PyTorch, as pip puts them.
  sandbox.read.push_back(fs::path(SERIN_LIBTORCH).parent_path() / "nvidia");
#endif
}

// What https trusts besides the system's authorities, where OpenSSL's variables name it.
void add_authorities(Sandbox& sandbox) {
  if (const char* file = std::getenv("SSL_CERT_FILE")) sandbox.read.emplace_back(file);
  const char* folders = std::getenv("SSL_CERT_DIR");
  std::istringstream list(folders == nullptr ? "" : folders);
  for (std::string folder; std::getline(list, folder, ':');) sandbox.read.emplace_back(folder);
}

}  // namespace

int landlock_abi() {
  return static_cast<int>(
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

std::vector<fs::path> system_files() {
  return {"/usr",
          "/lib",
          "/lib64",
          "/bin",
          "/etc/ssl",
          "/etc/ld.so.cache",
          "/etc/nsswitch.conf",
          "/etc/resolv.conf",
          "/etc/hosts",
          "/etc/localtime",
          "/proc",
          "/sys/devices",
          "/sys/fs/cgroup",
          "/dev/urandom",
          "/dev/random"};
}

Sandbox sandbox_for(const WorkerOptions& options) {
  Sandbox sandbox;
  sandbox.read = system_files();
  add_authorities(sandbox);
  sandbox.read.push_back(options.package);
  sandbox.read.emplace_back("/etc/machine-id");
  for (const fs::path& place : places_of_shared_object("")) sandbox.read.push_back(place);
  for (const char* folder : std::initializer_list<const char*>{SERIN_FRAMEWORKS})
    sandbox.read.emplace_back(folder);
  sandbox.write = {"/dev/null", "/dev/shm", options.state};
  if (options.engine.device.kind == engine::Device::Kind::kCuda) add_gpu(sandbox);
  if (options.server.tls) {
    sandbox.read.emplace_back(options.server.tls->certificate);
    sandbox.read.emplace_back(options.server.tls->key);
  }
  if (!options.server.unix_socket.empty()) {
    sandbox.write.push_back(fs::absolute(options.server.unix_socket).parent_path());
  }
  if (options.server.port) sandbox.bind.push_back(*options.server.port);
  if (const auto collector = net::parse_url(options.tracing.endpoint);
      collector && collector->port) {
    sandbox.connect.push_back(collector->port);
    sandbox.datagrams = true;
  }
  return sandbox;
}

Status enter_sandbox(const Sandbox& sandbox) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return kernel_error("no new privileges");
  SERIN_TRY(restrict_files_and_ports(sandbox));
  return restrict_system_calls(sandbox);
}

}  // namespace serin::worker
