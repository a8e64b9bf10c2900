// SPDX-License-Identifier: Apache-2.0
// Real commands, and a real server.
#include "control/notify/tell.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>

#include "base/files.h"
#include "control/notify/message.h"
#include "net/http/server.h"

namespace serin::control::notify {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

Event an_event() {
  return {.id = 7, .service = "story", .version = "v2", .reason = "Promoted", .message = "safe"};
}

class TellerTest : public testing::Test {
 protected:
  TellerTest() : folder_(*TemporaryDirectory::create("tell")) {}

  Status tell(const Target& target) { return teller_.tell(target, an_event(), CancelToken()); }
  Target command(const std::string& script, seconds timeout = seconds(60)) {
    return {.name = "ops", .command = {"/bin/sh", "-c", script}, .timeout = timeout};
  }
  std::string file(const std::string& name) { return (folder_.path() / name).string(); }

  TemporaryDirectory folder_;
  Teller teller_ = *Teller::create(Clock::real());
};

TEST_F(TellerTest, ACommandGetsTheEventTwice) {
  const std::string out = file("out");
  ASSERT_TRUE(tell(command("cat > " + out + "; echo \" $SERIN_EVENT_REASON\" >> " + out)));
  const std::string body = message_of(an_event()).body;
  EXPECT_EQ(*read_file(out), body + " Promoted\n");
}

TEST_F(TellerTest, ACommandGetsTheEventAndNotWhatWeWereToldOfOne) {
  ::setenv("SERIN_EVENT_REASON", "Inherited", 1);
  EXPECT_TRUE(tell(command("test \"$SERIN_EVENT_REASON\" = Promoted")));
  ::unsetenv("SERIN_EVENT_REASON");
}

TEST_F(TellerTest, ACommandThatFailsIsHeard) {
  EXPECT_EQ(tell(command("echo first >&2; echo no paper >&2; exit 3")).error().message,
            "it ended with 3: no paper");
  EXPECT_EQ(tell(command("exec sleep 60", seconds(0))).error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(tell({.name = "ops", .command = {"/no/such"}, .timeout = seconds(9)}).error().code,
            Code::kNotFound);
}

TEST_F(TellerTest, AnAddressGetsASignedPost) {
  std::atomic<std::uint16_t> status{200};
  std::string id, signature, timestamp, body;
  net::ServerOptions options;
  options.port = 0;
  const auto server =
      net::Server::create(std::move(options), [&](std::shared_ptr<net::Exchange> exchange) {
        exchange->read_body([&, exchange](Result<std::string> read) {
          id = exchange->head().headers.get("webhook-id");
          timestamp = exchange->head().headers.get("webhook-timestamp");
          signature = exchange->head().headers.get("webhook-signature");
          body = *read;
          net::Response answer;
          answer.status = status;
          answer.headers.add("retry-after", "7");
          exchange->respond(std::move(answer));
        });
      });
  ASSERT_TRUE(server.has_value());
  const std::string secrets = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
  ASSERT_TRUE(write_file(file("secret"), secrets));
  const Target target{.name = "ops",
                      .url = "http://127.0.0.1:" + std::to_string((*server)->port()) + "/hook",
                      .secret_file = file("secret"),
                      .timeout = seconds(30)};
  ASSERT_TRUE(check(target));
  ASSERT_TRUE(tell(target));
  EXPECT_EQ(id, message_of(an_event()).id);
  EXPECT_EQ(signature,
            signature_of({id, body}, std::stoll(timestamp), *parse_secrets(secrets, "secret")));
  status = 503;
  const Status busy = tell(target);
  EXPECT_EQ(busy.error().message, "it answered 503");
  EXPECT_EQ(busy.error().retry_after, seconds(7));
  status = 302;
  EXPECT_THAT(tell(target).error().message, HasSubstr("redirections are not followed"));
  status = 410;
  EXPECT_EQ(tell(target).error().reason, kGone);

  Target unsigned_target = target;
  unsigned_target.secret_file = file("none");
  EXPECT_EQ(check(unsigned_target).error().code, Code::kNotFound);
  EXPECT_EQ(tell(unsigned_target).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace serin::control::notify
