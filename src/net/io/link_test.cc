// SPDX-License-Identifier: Apache-2.0
// A link over one half of a pair of sockets, whose other half the test reads and writes.
#include "net/io/link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/eventually_for_test.h"

namespace serin::net {
namespace {

using std::chrono::milliseconds;

// What a user of the link saw, for its loop's thread.
struct Seen {
  std::string bytes;
  std::promise<LinkEnd> ended;
};

class Collecting final : public LinkUser {
 public:
  Collecting(Link& link, Seen& seen) : link_(link), seen_(seen) {}
  void on_bytes() override {
    seen_.bytes += link_.input();
    link_.consume(link_.input().size());
  }
  void on_closed(LinkEnd end) override { seen_.ended.set_value(end); }

 private:
  Link& link_;
  Seen& seen_;
};

class LinkTest : public testing::Test {
 protected:
  LinkTest() {
    std::array<int, 2> both{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, both.data()), 0);
    peer_ = Descriptor(both[0]);
    LinkOptions options;
    options.input_bytes = 64 * 1024;
    run([&] {
      EXPECT_EQ(::fcntl(both[1], F_SETFL, O_NONBLOCK), 0);
      link_ = std::make_shared<Link>(*loop_, both[1], false, options);
      link_->start(std::make_unique<Collecting>(*link_, seen_), nullptr);
    });
  }
  ~LinkTest() override {
    link_.reset();
    loop_->stop();
  }

  void run(const std::function<void()>& call) {
    std::promise<void> done;
    loop_->post([&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  std::size_t came() {
    std::size_t bytes = 0;
    run([&] { bytes = seen_.bytes.size(); });
    return bytes;
  }

  Seen seen_;
  Descriptor peer_;
  std::shared_ptr<Loop> loop_ = Loop::start(milliseconds(5), milliseconds(5));
  std::shared_ptr<Link> link_;
};

// Of a read that fills its buffer nobody knows whether there is more.
TEST_F(LinkTest, ReadsAllThatComesHoweverItFillsTheBuffer) {
  std::string sent;
  for (const std::size_t size : {8192, 8192, 1, 32'768, 65'536, 65'537, 1'000'000, 3}) {
    const std::string piece(size, static_cast<char>('a' + sent.size() % 26));
    send(piece);
    sent += piece;
    EXPECT_TRUE(eventually([&] { return came() == sent.size(); })) << size;
  }
  run([&] { EXPECT_TRUE(seen_.bytes == sent); });
}

TEST_F(LinkTest, GivesTheLastBytesBeforeTheEnd) {
  send(std::string(8192, 'a'));
  send("last");
  peer_ = Descriptor();
  EXPECT_EQ(seen_.ended.get_future().get(), LinkEnd::kPeerClosed);
  EXPECT_EQ(came(), 8196u);
}

TEST_F(LinkTest, ReadsOnWhenItIsWantedAgain) {
  run([&] { link_->want_input(false); });
  send("first");
  EXPECT_EQ(came(), 0u);
  EXPECT_EQ(came(), 0u);
  run([&] { link_->want_input(true); });
  EXPECT_TRUE(eventually([&] { return came() == 5; }));
}

TEST_F(LinkTest, SendsOnWhenThePeerTakesMore) {
  const std::string bytes(4'000'000, 'x');
  run([&] { link_->write(bytes); });
  run([&] { EXPECT_GT(link_->unsent(), 0u) << "the socket took all of it"; });
  std::string taken(bytes.size(), '\0');
  EXPECT_EQ(::recv(peer_.get(), taken.data(), taken.size(), MSG_WAITALL),
            static_cast<ssize_t>(bytes.size()));
  EXPECT_TRUE(taken == bytes);
  run([&] { EXPECT_EQ(link_->unsent(), 0u); });
  send("still");
  EXPECT_TRUE(eventually([&] { return came() == 5; }));
}

}  // namespace
}  // namespace serin::net
