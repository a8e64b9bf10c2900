// SPDX-License-Identifier: Apache-2.0
// With real processes: a test's process has threads of its own only after the keeper was forked.
#include "worker/upstream/command.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/eventually_for_test.h"
#include "base/files.h"

namespace serin::worker {
namespace {

using std::chrono::milliseconds;

// A zombie that nobody reaps lives no more.
bool lives(int pid) {
  const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  return stat && stat->find(") Z ") == std::string::npos;
}

struct Kept : testing::Test {
  TemporaryDirectory folder = *TemporaryDirectory::create();

  KeptCommand shell(const std::string& script) const {
    KeptCommand command;
    command.arguments = {"/bin/sh", "-c", script};
    command.environment = {{"PATH", "/usr/bin:/bin"}};
    command.directory = folder.path();
    command.restarts.first = milliseconds(1);
    command.restarts.longest = milliseconds(2);
    return command;
  }
  std::string file(const std::string& name) const {
    return read_file(folder.path() / name).value_or("");
  }
};

TEST_F(Kept, ACommandRunsInItsFolderWithItsEnvironmentAlone) {
  ::setenv("SECRET", "x", 1);
  KeptCommand command = shell("pwd > where; env > env; exec sleep 1000");
  command.environment.emplace_back("PORT", "1234");
  const auto kept = KeptProcess::start(std::move(command));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(eventually([&] { return !file("env").empty(); }));
  EXPECT_EQ(file("where"), std::filesystem::canonical(folder.path()).string() + "\n");
  EXPECT_THAT(file("env"), testing::HasSubstr("PORT=1234\n"));
  EXPECT_THAT(file("env"), testing::Not(testing::HasSubstr("SECRET")));
  EXPECT_EQ((*kept)->view().sentence(Clock::real().now()), "");
}

TEST_F(Kept, ACommandThatEndsIsStartedAgainAndALoopIsSeen) {
  const auto kept = KeptProcess::start(shell("echo x >> runs; exit 3"));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(eventually([&] { return file("runs").size() >= 8; }));
  ASSERT_TRUE(eventually([&] { return (*kept)->view().crash_loop; }));
  EXPECT_EQ((*kept)->view().exit_code, 3);
}

TEST_F(Kept, ACommandThatIsKilledIsStartedAgain) {
  const auto kept = KeptProcess::start(shell("exec sleep 1000"));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(eventually([&] { return (*kept)->view().pid != 0; }));
  const int first = (*kept)->view().pid;
  ::kill(first, SIGKILL);
  ASSERT_TRUE(eventually([&] { return (*kept)->view().started == 2; }));
  EXPECT_EQ((*kept)->view().exit_code, 128 + SIGKILL);
  EXPECT_FALSE((*kept)->view().crash_loop);
}

TEST_F(Kept, ACommandEndsWithItsOwnerAndWithItItsChildren) {
  int child = 0;
  {
    const auto kept = KeptProcess::start(shell("sleep 1000 & echo $! > child; wait"));
    ASSERT_TRUE(kept.has_value());
    ASSERT_TRUE(eventually([&] { return file("child").ends_with("\n"); }));
    child = std::stoi(file("child"));
    EXPECT_TRUE(lives(child));
  }
  EXPECT_TRUE(eventually([&] { return !lives(child); }));
}

TEST_F(Kept, ACommandThatDoesNotWantToEndIsKilledAfterTheGrace) {
  KeptCommand command = shell("trap '' TERM; echo > ready; while :; do sleep 1000; done");
  command.grace = milliseconds(50);
  auto kept = KeptProcess::start(std::move(command));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(eventually([&] { return !file("ready").empty(); }));
  const int pid = (*kept)->view().pid;
  kept->reset();
  EXPECT_FALSE(lives(pid));
}

TEST_F(Kept, ACommandEndsWhenItsOwnerIsKilledAndItsScratchGoes) {
  KeptCommand command = shell("echo $$ > pid; exec sleep 1000");
  command.scratch = folder.path() / "scratch";
  std::filesystem::create_directory(command.scratch);
  const pid_t owner = ::fork();
  if (owner == 0) {
    const auto kept = KeptProcess::start(command);
    for (;;) ::pause();
  }
  ASSERT_TRUE(eventually([&] { return file("pid").ends_with("\n"); }));
  const int pid = std::stoi(file("pid"));
  EXPECT_TRUE(lives(pid));
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(command.scratch); }));
}

TEST_F(Kept, AProgramThatIsNotThereIsACrashLoopAndNoCrash) {
  KeptCommand command = shell("");
  command.arguments = {"serin-no-such-program"};
  const auto kept = KeptProcess::start(std::move(command));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(eventually([&] { return (*kept)->view().crash_loop; }));
  const CommandView view = (*kept)->view();
  EXPECT_EQ(view.exit_code, 127);
}

TEST_F(Kept, AProgramThatTheSandboxRefusesIsNamedByItsRealPath) {
  const auto program = folder.path() / "program", link = folder.path() / "link";
  std::filesystem::copy_file("/bin/true", program);
  std::filesystem::create_symlink(program, link);
  KeptCommand command = shell("");
  command.arguments = {link.string()};
  command.directory = "/";
  command.sandbox.emplace();
  command.sandbox->read = system_files();
  command.sandbox->programs = true;
  testing::internal::CaptureStderr();
  auto kept = KeptProcess::start(std::move(command));
  ASSERT_TRUE(kept.has_value());
  EXPECT_TRUE(eventually([&] { return (*kept)->view().crash_loop; }));
  kept->reset();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, testing::HasSubstr("and this is " + program.string()));
}

TEST_F(Kept, ACommandIsShutIn) {
  KeptCommand command = shell(
      "cat /etc/shadow > out 2> err; echo x > ../escaped 2>> err; echo > done; exec sleep 1000");
  Sandbox sandbox;
  sandbox.read = system_files();
  sandbox.write = {folder.path(), "/dev/null"};
  sandbox.programs = true;
  command.sandbox = sandbox;
  const auto kept = KeptProcess::start(std::move(command));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(eventually([&] { return !file("done").empty(); }));
  EXPECT_EQ(file("out"), "");
  EXPECT_THAT(file("err"), testing::HasSubstr("Permission denied"));
  EXPECT_FALSE(std::filesystem::exists(folder.path().parent_path() / "escaped"));
}

TEST(CommandView, SaysWhyNothingAnswers) {
  const Instant now{std::chrono::seconds(100)};
  CommandView view;
  EXPECT_EQ(view.sentence(now), "the command starts");
  view.started = 4;
  view.exit_code = 1;
  view.next_start = now + milliseconds(1500);
  EXPECT_EQ(view.sentence(now), "the command ended with 1; it starts again in 1500 ms");
  view.crash_loop = true;
  EXPECT_EQ(view.sentence(now), "crash loop: the command ended with 1; it starts again in 1500 ms");
}

}  // namespace
}  // namespace serin::worker
