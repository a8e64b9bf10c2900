// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include "base/eventually_for_test.h"
#include "base/files.h"
#include "platform/local/cgroups.h"
#include "platform/local/memory.h"
#include "platform/local/process.h"

namespace serin::platform::local {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(OwnGroup, IsFoundInEitherVersion) {
  const std::string cgroups = "4:memory:/app/one\n2:cpu,cpuacct:/\n0::/user.slice/me\n";
  const std::string mounts =
      "30 25 0:26 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n"
      "31 25 0:27 / /sys/fs/cgroup/memory rw shared:2 - cgroup cgroup rw,memory\n"
      "32 25 0:28 /inside /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
  EXPECT_EQ(own_group(cgroups, mounts, "memory"), "/sys/fs/cgroup/memory/app/one");
  EXPECT_EQ(own_group(cgroups, mounts, ""), "/sys/fs/cgroup/unified/user.slice/me");
  EXPECT_EQ(own_group("2:cpu,cpuacct:/inside/me\n", mounts, "cpu"), "/sys/fs/cgroup/cpu/me");
  EXPECT_EQ(own_group(cgroups, mounts, "pids"), "");
  EXPECT_EQ(own_group(cgroups, "", "memory"), "");
  EXPECT_EQ(own_group("nonsense", mounts, "memory"), "");
}

TEST(HeldBytes, CountsWhatTheKernelCannotTakeBack) {
  EXPECT_EQ(
      held_bytes("VmRSS:\t 900 kB\nRssAnon:\t     100 kB\nRssFile:\t 700 kB\nRssShmem:\t 5 kB\n"),
      105U * 1024);
  EXPECT_EQ(held_bytes(""), 0U);
  EXPECT_EQ(held_bytes("RssAnon:"), 0U);
}

class Limits : public testing::Test {
 protected:
  Result<Process> run(const std::string& script, std::vector<fs::path> groups = {}) {
    Launch launch;
    launch.program = "/bin/sh";
    launch.arguments = {"sh", "-c", script};
    launch.log = folder_.path() / "log";
    launch.cgroups = std::move(groups);
    return Process::start(launch, [](const Identity&) { return Status(); });
  }
  TemporaryDirectory folder_ = *TemporaryDirectory::create();
};

TEST_F(Limits, MemoryOfASessionIsThatOfAllItsProcesses) {
  // Two children that hold 8 MiB each, in a shell's variable.
  auto process =
      run("hold() { x=$(head -c 8388608 /dev/zero | tr '\\0' x); echo held; sleep 60; };"
          "hold & hold & wait");
  ASSERT_TRUE(process.has_value()) << process.error().message;
  const int session = process->identity().pid;
  EXPECT_TRUE(eventually([&] { return memory_of_sessions({session})[session] >= 16 * kMiB; }));
  EXPECT_TRUE(memory_of_sessions({}).empty());
  process->signal(SIGKILL);
  ::kill(-session, SIGKILL);
}

TEST_F(Limits, AControlGroupEndsWhatTakesTooMuch) {
  auto groups = Cgroups::open("test-" + std::to_string(::getpid()));
  if (!groups) GTEST_SKIP() << groups.error().message;
  Resources resources;
  resources.memory_bytes = 16 * kMiB;
  resources.cpus = 0.5;
  const auto folders = groups->make("one", resources);
  ASSERT_TRUE(folders.has_value()) << folders.error().message;
  auto process =
      run("x=$(head -c 268435456 /dev/zero | tr '\\0' x); echo survived; sleep 60", *folders);
  ASSERT_TRUE(process.has_value()) << process.error().message;
  EXPECT_TRUE(groups->bounds_memory("one") || process->ended());
  EXPECT_TRUE(eventually([&] { return groups->out_of_memory("one"); }));
  EXPECT_TRUE(groups->make("nothing", {})->empty());
  EXPECT_TRUE(eventually([&] {
    groups->remove("one");
    return !groups->bounds_memory("one");
  }));
  groups->remove_all();
}

}  // namespace
}  // namespace serin::platform::local
