// SPDX-License-Identifier: Apache-2.0
#include "base/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/eventually_for_test.h"
#include "base/files.h"

namespace serin {
namespace {

using namespace std::chrono_literals;

Command shell(std::string script) { return {.arguments = {"/bin/sh", "-c", std::move(script)}}; }

// Gone, or a zombie that somebody else must reap.
bool alive(int pid) {
  const Result<std::string> status = read_file("/proc/" + std::to_string(pid) + "/stat");
  return status.has_value() && status->find(") Z ") == std::string::npos;
}

bool soon_dead(int pid) {
  return eventually([&] { return !alive(pid); });
}

TEST(RunCommand, GivesOutputErrorsAndCode) {
  const Result<Exit> done = run_command(shell("echo out; echo err >&2; exit 3"), 60s);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(done->code, 3);
  EXPECT_EQ(done->output, "out\n");
  EXPECT_EQ(done->errors, "err\n");
  EXPECT_FALSE(done->ok());
}

TEST(RunCommand, PassesArgumentsEnvironmentDirectoryAndInputAsTheyAre) {
  const auto folder = TemporaryDirectory::create();
  Command command{
      .arguments = {"/bin/sh", "-c", "pwd; cat; echo \"$1|$ONLY|$HOME\"", "sh", "a b;*"},
      .environment = {{{"ONLY", "this"}}},
      .directory = folder->path(),
      .input = std::string(300'000, 'x')};
  const Result<Exit> done = run_command(std::move(command), 60s);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->output,
            folder->path().string() + "\n" + std::string(300'000, 'x') + "a b;*|this|\n");
}

TEST(EnvironmentWith, HasOurVariablesAndThoseThatTakeTheirPlace) {
  ::setenv("SERIN_TEST_KEPT", "ours", 1);
  ::setenv("SERIN_TEST_REPLACED", "ours", 1);
  const Variables variables =
      environment_with({{"SERIN_TEST_REPLACED", "theirs"}, {"SERIN_TEST_KEP", "a=b"}});
  EXPECT_EQ(std::ranges::count(joined(variables), "SERIN_TEST_KEPT=ours"), 1);
  EXPECT_EQ(std::ranges::count(joined(variables), "SERIN_TEST_REPLACED=theirs"), 1);
  EXPECT_EQ(std::ranges::count(joined(variables), "SERIN_TEST_REPLACED=ours"), 0);
  EXPECT_EQ(std::ranges::count(joined(variables), "SERIN_TEST_KEP=a=b"), 1);
}

TEST(RunCommand, FindsAProgramOnPathAndSaysWhenThereIsNone) {
  EXPECT_TRUE(run_command({.arguments = {"true"}}, 60s)->ok());
  const Result<Exit> none = run_command({.arguments = {"serin-no-such-program"}}, 60s);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_NE(none.error().message.find("serin-no-such-program"), std::string::npos);
  EXPECT_FALSE(run_command({.arguments = {"true"}, .directory = "/nowhere"}, 60s).has_value());
  EXPECT_FALSE(run_command({}, 60s).has_value());
}

TEST(RunCommand, KillsTheWholeGroupAtTheDeadline) {
  const Result<Exit> done = run_command(shell("sleep 600 & echo $!; wait"), 3s);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->timed_out);
  EXPECT_EQ(done->signal, SIGTERM);
  EXPECT_TRUE(soon_dead(std::stoi(done->output)));
}

TEST(RunCommand, KillsWhatTheCommandLeftBehind) {
  const Result<Exit> done = run_command(shell("sleep 600 & echo $!"), 60s);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->ok());
  EXPECT_TRUE(soon_dead(std::stoi(done->output)));
}

TEST(RunCommand, EndsWhenItIsCancelled) {
  const CancelToken cancel;
  cancel.cancel();
  const Result<Exit> done = run_command(shell("sleep 600"), 60s, cancel);
  ASSERT_TRUE(done.has_value());
  EXPECT_TRUE(done->cancelled);
  EXPECT_FALSE(done->timed_out);
}

TEST(RunCommand, KeepsTheFirstOutputAndTheLastErrors) {
  Command command =
      shell("i=0; while [ $i -lt 5000 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done");
  command.output_limit = 1000;
  const Result<Exit> done = run_command(std::move(command), 60s);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->output.size(), 1000u);
  EXPECT_TRUE(done->output.starts_with("o0\no1\n"));
  EXPECT_TRUE(done->output_cut);
  EXPECT_EQ(done->errors.size(), 1000u);
  EXPECT_TRUE(done->errors.ends_with("e4999\n"));
}

TEST(RunCommand, SurvivesACommandThatDoesNotReadItsInput) {
  Command command = shell("exec <&-; sleep 0.1; exit 0");
  command.input = std::string(1'000'000, 'x');
  EXPECT_TRUE(run_command(std::move(command), 60s)->ok());
}

TEST(RunCommand, HandsDownNoFileButTheStandardOnes) {
  const int open = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  const Result<Exit> done = run_command(shell("ls /proc/self/fd | wc -l"), 60s);
  ::close(open);
  // 0, 1, 2 and the folder that ls reads.
  EXPECT_EQ(std::stoi(done->output), 4);
}

// Runs for ever; what `trap` says holds when this returns.
Result<Subprocess> start_trapping(const std::string& trap) {
  const auto folder = TemporaryDirectory::create();
  const auto ready = folder->path() / "ready";
  auto process = Subprocess::start(
      shell(trap + "; echo ready; : > " + ready.string() + "; while :; do sleep 0.05; done"));
  while (process && process->running() && !std::filesystem::exists(ready)) process->wait(10ms);
  return process;
}

TEST(SubprocessType, RunsUntilItIsStopped) {
  auto process = start_trapping("trap 'echo bye; exit 5' TERM");
  ASSERT_TRUE(process.has_value());
  EXPECT_FALSE(process->wait(20ms).has_value());
  EXPECT_TRUE(process->running());
  const Exit ended = process->stop(60s);
  EXPECT_EQ(ended.code, 5);
  EXPECT_EQ(ended.output, "ready\nbye\n");
  EXPECT_FALSE(process->running());
}

TEST(SubprocessType, IsKilledWhenItIgnoresTheRequestToStop) {
  auto process = start_trapping("trap '' TERM");
  ASSERT_TRUE(process.has_value());
  const Exit ended = process->stop(100ms);
  EXPECT_EQ(ended.signal, SIGKILL);
  EXPECT_EQ(ended.code, 128 + SIGKILL);
}

TEST(SubprocessType, GoesWithItsOwner) {
  int pid = 0;
  {
    auto process = Subprocess::start(shell("sleep 600"));
    ASSERT_TRUE(process.has_value());
    pid = process->pid();
    EXPECT_TRUE(alive(pid));
  }
  EXPECT_FALSE(alive(pid));
}

}  // namespace
}  // namespace serin
