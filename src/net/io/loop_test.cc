// SPDX-License-Identifier: Apache-2.0
#include "net/io/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace serin::net {
namespace {

using std::chrono::milliseconds;

class LoopTest : public testing::Test {
 protected:
  ~LoopTest() override { loop_->stop(); }

  // Runs it on the loop's thread, and waits until it has.
  void run(const std::function<void()>& call) {
    std::promise<void> done;
    loop_->post([&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }
  // Everything that had become ready before has been told when this returns.
  void settle() {
    run([] {});
    run([] {});
  }

  std::shared_ptr<Loop> loop_ = Loop::start(milliseconds(5), milliseconds(5));
};

struct Pair {
  Pair() {
    std::array<int, 2> both{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both.data()), 0);
    ours = Descriptor(both[0]);
    theirs = Descriptor(both[1]);
  }
  void come(std::string_view bytes) const {
    EXPECT_EQ(::write(theirs.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  Descriptor ours, theirs;
};

struct Counting final : Watcher {
  void on_ready(Ready ready) override {
    ++told;
    last = ready;
    if (then) then();
  }
  int told = 0;
  Ready last;
  std::function<void()> then;
};

TEST_F(LoopTest, TellsOfBytesOnceThoughTheyAreNotRead) {
  const Pair pair;
  Counting watcher;
  pair.come("a");
  run([&] { ASSERT_TRUE(loop_->watch(pair.ours.get(), watcher, Loop::For::kReading)); });
  settle();
  settle();
  run([&] {
    EXPECT_EQ(watcher.told, 1);
    EXPECT_TRUE(watcher.last.readable);
    EXPECT_FALSE(watcher.last.writable);
    EXPECT_FALSE(watcher.last.ended);
  });
  pair.come("b");
  settle();
  run([&] {
    EXPECT_EQ(watcher.told, 2);
    loop_->forget(pair.ours.get(), watcher);
  });
}

TEST_F(LoopTest, TellsOfTheEndOfWhatThePeerSends) {
  const Pair pair;
  Counting watcher;
  run([&] { ASSERT_TRUE(loop_->watch(pair.ours.get(), watcher, Loop::For::kReading)); });
  ::shutdown(pair.theirs.get(), SHUT_WR);
  settle();
  run([&] {
    EXPECT_TRUE(watcher.last.readable);
    EXPECT_TRUE(watcher.last.ended);
    loop_->forget(pair.ours.get(), watcher);
  });
}

TEST_F(LoopTest, TellsOfRoomToWriteWhereThatIsAskedFor) {
  const Pair pair;
  Counting watcher;
  run([&] { ASSERT_TRUE(loop_->watch(pair.ours.get(), watcher, Loop::For::kReading)); });
  settle();
  run([&] {
    EXPECT_EQ(watcher.told, 0);
    loop_->watch_again(pair.ours.get(), watcher, Loop::For::kReadingAndWriting);
  });
  settle();
  run([&] {
    EXPECT_TRUE(watcher.last.writable);
    loop_->forget(pair.ours.get(), watcher);
  });
}

// Both are ready in one turn, and who is told first ends the other.
TEST_F(LoopTest, TellsNothingToWhoIsGoneWhenItsTurnComes) {
  const Pair one;
  const Pair other;
  Counting first;
  Counting second;
  run([&] {
    first.then = [&] { loop_->forget(other.ours.get(), second); };
    second.then = [&] { loop_->forget(one.ours.get(), first); };
    ASSERT_TRUE(loop_->watch(one.ours.get(), first, Loop::For::kReading));
    ASSERT_TRUE(loop_->watch(other.ours.get(), second, Loop::For::kReading));
    one.come("a");
    other.come("a");
  });
  settle();
  run([&] {
    EXPECT_EQ(first.told + second.told, 1);
    loop_->forget(one.ours.get(), first);
    loop_->forget(other.ours.get(), second);
  });
}

TEST_F(LoopTest, RunsTimersInOrderAndNoneThatIsCancelled) {
  std::promise<void> last;
  std::string order;
  run([&] {
    loop_->call_after(milliseconds(20), [&] {
      order += 'c';
      last.set_value();
    });
    loop_->call_after(milliseconds(10), [&] { order += 'b'; });
    loop_->call_after(milliseconds(0), [&] { order += 'a'; });
    loop_->cancel(loop_->call_after(milliseconds(5), [&] { order += 'x'; }));
  });
  last.get_future().wait();
  EXPECT_EQ(order, "abc");
}

TEST_F(LoopTest, RunsWhatItPostsItselfInTheNextTurn) {
  std::promise<void> done;
  std::string order;
  loop_->post([&] {
    loop_->post([&] {
      order += 'b';
      done.set_value();
    });
    order += 'a';
  });
  done.get_future().wait();
  EXPECT_EQ(order, "ab");
}

TEST_F(LoopTest, GoesOnAfterACallThatThrows) {
  loop_->post([] { throw std::string("thrown"); });
  run([&] { loop_->call_after(milliseconds(0), [] { throw std::string("thrown"); }); });
  settle();
}

}  // namespace
}  // namespace serin::net
