// SPDX-License-Identifier: Apache-2.0
#include "platform/local/process.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/eventually_for_test.h"
#include "base/files.h"

namespace serin::platform::local {
namespace {

using testing::HasSubstr;

constexpr int kLongMs = 30'000;  // never waited for when things are right

class ProcessTest : public testing::Test {
 protected:
  Launch shell(const std::string& script) {
    Launch launch;
    launch.program = "/bin/sh";
    launch.arguments = {"sh", "-c", script};
    launch.log = log_;
    return launch;
  }
  Result<Process> start(const Launch& launch) {
    return Process::start(launch, [this](const Identity& identity) -> Status {
      recorded_ = identity;
      return {};
    });
  }
  static std::optional<Process::End> wait(Process& process) {
    return process.wait(std::chrono::milliseconds(kLongMs));
  }
  static std::string how(Process& process) {
    const auto end = wait(process);
    return end ? end->how : "it still runs";
  }
  std::string log() { return read_file(log_).value_or(""); }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  std::filesystem::path log_ = folder_.path() / "log";
  Identity recorded_;
};

TEST_F(ProcessTest, IsRecordedBeforeItRuns) {
  const std::string mark = (folder_.path() / "ran").string();
  const auto refused = Process::start(shell("touch " + mark), [](const Identity&) -> Status {
    return fail(Code::kResourceExhausted, "the disk is full");
  });
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message, "the disk is full");
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST_F(ProcessTest, WritesToItsLogAndEndsWithACode) {
  auto process = start(shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(process.has_value()) << process.error().message;
  EXPECT_EQ(process->identity(), recorded_);
  const auto end = wait(*process);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->how, "exit code 3");
  EXPECT_FALSE(end->clean);
  EXPECT_EQ(log(), "out\nerr\n");
}

TEST_F(ProcessTest, HasASessionOfItsOwn) {
  auto process = start(shell("sleep 60"));
  ASSERT_TRUE(process.has_value());
  const auto stat = read_stat(process->identity().pid);
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->session, process->identity().pid);
  EXPECT_EQ(process->ended(), std::nullopt);
  process->signal(SIGKILL);
  EXPECT_EQ(how(*process), "signal 9 (Killed)");
}

TEST_F(ProcessTest, SaysWhichProgramCannotBeStarted) {
  Launch launch = shell("");
  launch.program = folder_.path() / "missing";
  const auto refused = start(launch);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("missing"));
}

TEST_F(ProcessTest, InheritsOneDescriptorAndNoOther) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  Launch launch = shell("echo hello >&3; ls /proc/self/fd | wc -l");
  launch.inherited = ends[1];
  auto process = start(launch);
  ASSERT_TRUE(process.has_value());
  EXPECT_EQ(how(*process), "exit code 0");
  std::array<char, 6> got{};
  EXPECT_EQ(::read(ends[0], got.data(), got.size()), 6);
  EXPECT_EQ(std::string(got.data(), got.size()), "hello\n");
  EXPECT_EQ(log(), "5\n");  // 0, 1, 2, 3 and the folder that ls reads
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(ProcessTest, HasOurEnvironmentAndMore) {
  Launch launch = shell("echo $HOME $ADDED");
  launch.environment = {{"HOME", "/elsewhere"}, {"ADDED", "1"}};
  auto process = start(launch);
  ASSERT_TRUE(process.has_value());
  EXPECT_EQ(how(*process), "exit code 0");
  EXPECT_EQ(log(), "/elsewhere 1\n");
}

TEST_F(ProcessTest, IsAdoptedByWhoItIsAndNotByItsNumber) {
  auto process = start(shell("sleep 60"));
  ASSERT_TRUE(process.has_value());
  Identity other = process->identity();
  other.started += 1;
  EXPECT_FALSE(Process::adopt(other).has_value());
  other = process->identity();
  other.boot = "another";
  EXPECT_FALSE(Process::adopt(other).has_value());
  auto adopted = Process::adopt(process->identity());
  ASSERT_TRUE(adopted.has_value());
  EXPECT_EQ(adopted->ended(), std::nullopt);
  adopted->signal(SIGKILL);
  EXPECT_TRUE(wait(*adopted).has_value());
  EXPECT_FALSE(Process::adopt(process->identity()).has_value());
}

TEST_F(ProcessTest, IsSeenToBeStopped) {
  auto process = start(shell("sleep 60"));
  ASSERT_TRUE(process.has_value());
  EXPECT_FALSE(process->stopped());
  process->signal(SIGSTOP);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(process->identity().pid), &info, WSTOPPED | WNOWAIT),
            0);
  EXPECT_TRUE(process->stopped());
  process->signal(SIGKILL);
  EXPECT_TRUE(wait(*process).has_value());
}

// The one that starts it dies between the record and the start.
TEST_F(ProcessTest, NeverRunsWhenWhoStartsItDies) {
  const std::string mark = (folder_.path() / "ran").string();
  std::array<int, 2> told{};
  ASSERT_EQ(::pipe(told.data()), 0);
  const pid_t starter = ::fork();
  if (starter == 0) {
    auto process = Process::start(shell("touch " + mark), [&](const Identity& identity) -> Status {
      if (::write(told[1], &identity.pid, sizeof identity.pid) < 0) ::_exit(1);
      ::kill(::getpid(), SIGKILL);
      return {};
    });
    ::_exit(1);
  }
  int pid = 0;
  ASSERT_EQ(::read(told[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_EQ(::waitpid(starter, nullptr, 0), starter);
  EXPECT_TRUE(eventually([&] {
    const auto stat = read_stat(pid);
    return !stat || stat->state == 'Z';
  }));
  EXPECT_FALSE(std::filesystem::exists(mark));
  ::close(told[0]);
  ::close(told[1]);
}

TEST(ProcessStat, IsReadPastAnyName) {
  const std::string rest = " S 1 42 43 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
  for (const char* name : {"(sh)", "(a b)", "(x) Z 9 9 9)", "())"}) {
    const auto stat = parse_stat("42 " + std::string(name) + rest);
    ASSERT_TRUE(stat.has_value()) << name;
    EXPECT_EQ(stat->state, 'S');
    EXPECT_EQ(stat->parent, 1);
    EXPECT_EQ(stat->session, 43);
    EXPECT_EQ(stat->started, 987'654U);
  }
  for (const char* wrong : {"", "42 (sh", "42 (sh)", "42 (sh) S 1 2", "42 (sh) S x 42 43 0 0 0 0"})
    EXPECT_FALSE(parse_stat(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace serin::platform::local
