// SPDX-License-Identifier: Apache-2.0
// What is tried inside runs in a child: a sandbox cannot be left.
#include "worker/lifecycle/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/files.h"

namespace serin::worker {
namespace {

// The value of `inside`, run in a child within the sandbox; -1 when it could not be entered.
int within(const Sandbox& sandbox, const std::function<int()>& inside) {
  const pid_t child = fork();
  if (child == 0) _exit(enter_sandbox(sandbox) ? inside() : 255);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 255) return -1;
  return WEXITSTATUS(status);
}

// 0, or the errno of opening.
int opening(const char* path, int flags = O_RDONLY) {
  const int fd = open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int binding(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}

int connecting(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}

TEST(Sandbox, OnlyWhatIsListedCanBeRead) {
  const Sandbox sandbox{{"/usr"}, {}, {}, {}};
  EXPECT_EQ(within(sandbox, [] { return opening("/usr"); }), 0);
  EXPECT_EQ(within(sandbox, [] { return opening("/etc/passwd"); }), EACCES);
  EXPECT_EQ(within(sandbox, [] { return opening("/proc/self/environ"); }), EACCES);
}

TEST(Sandbox, OnlyWhatIsListedCanBeWritten) {
  const auto folder = std::filesystem::temp_directory_path() / "serin-sandbox-test";
  std::filesystem::create_directories(folder / "open");
  std::filesystem::create_directories(folder / "shut");
  const Sandbox sandbox{{folder}, {folder / "open"}, {}, {}};
  const std::string inside = folder / "open/file";
  const std::string outside = folder / "shut/file";
  EXPECT_EQ(within(sandbox, [&] { return opening(inside.c_str(), O_WRONLY | O_CREAT); }), 0);
  EXPECT_EQ(within(sandbox, [&] { return opening(outside.c_str(), O_WRONLY | O_CREAT); }), EACCES);
  std::filesystem::remove_all(folder);
}

TEST(Sandbox, OnlyListedDevicesCanBeDriven) {
  if (landlock_abi() < 5) return;  // an older kernel lets every device that can be opened be driven
  const auto driving = [] {
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno;
    unsigned long blocks = 0;
    return ioctl(fd, BLKGETSIZE, &blocks) == 0 ? 0 : errno;
  };
  EXPECT_EQ(within({{}, {"/dev/null"}, {}, {}}, driving), EACCES);
  EXPECT_EQ(within({{}, {}, {}, {}, {"/dev/null"}}, driving), ENOTTY);  // it was asked
}

TEST(Sandbox, NothingCanBeStarted) {
  const Sandbox sandbox{{"/"}, {}, {}, {}};
  EXPECT_EQ(within(sandbox,
                   [] {
                     char* const arguments[] = {nullptr};
                     execve("/bin/true", arguments, arguments);
                     return errno;
                   }),
            EPERM);
}

TEST(Sandbox, NobodyCanBeCalled) {
  const Sandbox sandbox{{"/"}, {}, {}, {}};
  EXPECT_EQ(within(sandbox, [] { return connecting(9); }), EPERM);
  EXPECT_EQ(within(sandbox, [] { return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0; }), EPERM);
  EXPECT_EQ(within(sandbox, [] { return socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? errno : 0; }), EPERM);
  EXPECT_EQ(within(sandbox, [] { return socket(AF_INET, SOCK_RAW, 6) < 0 ? errno : 0; }), EPERM);
}

TEST(Sandbox, OnlyListedPortsCanBeBoundAndCalled) {
  if (landlock_abi() < 4) return;  // an older kernel leaves ports to seccomp
  const Sandbox sandbox{{"/"}, {}, {0}, {9}};
  EXPECT_EQ(within(sandbox, [] { return binding(0); }), 0);
  EXPECT_EQ(within(sandbox, [] { return binding(48123); }), EACCES);
  EXPECT_EQ(within(sandbox, [] { return connecting(9); }), ECONNREFUSED);
  EXPECT_EQ(within(sandbox, [] { return connecting(10); }), EACCES);
}

TEST(Sandbox, AWorkersOwnHoldsItsPackageAndNotTheHome) {
  WorkerOptions options;
  options.package = "/srv/models/a";
  options.server.port = 5000;
  const Sandbox sandbox = sandbox_for(options);
  auto reads = [&](const char* path) {
    return std::ranges::find(sandbox.read, std::filesystem::path(path)) != sandbox.read.end();
  };
  EXPECT_TRUE(reads("/srv/models/a"));
  EXPECT_FALSE(reads("/") || reads("/etc") || reads("/root") || reads("/home") || reads("/srv"));
  EXPECT_EQ(sandbox.bind, std::vector<std::uint16_t>{5000});
  EXPECT_TRUE(sandbox.connect.empty());
  options.tracing.endpoint = "https://collector/v1";
  EXPECT_EQ(sandbox_for(options).connect, std::vector<std::uint16_t>{443});
}

}  // namespace
}  // namespace serin::worker
