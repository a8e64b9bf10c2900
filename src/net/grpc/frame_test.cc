// SPDX-License-Identifier: Apache-2.0
#include "net/grpc/frame.h"

#include <gtest/gtest.h>

#include <future>

#include "net/http/client.h"

namespace serin::net::grpc {
namespace {

using namespace std::chrono_literals;

RequestHead head_with(std::string_view name, std::string_view value) {
  RequestHead head;
  head.http2 = true;
  head.method = "POST";
  head.headers.add(name, value);
  return head;
}

TEST(Grpc, KnowsItsContentTypes) {
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/grpc;x=y"})
    EXPECT_TRUE(is_grpc(head_with("content-type", type))) << type;
  for (const char* type : {"application/json", "application/grpc-web", "application/grpc+json", ""})
    EXPECT_FALSE(is_grpc(head_with("content-type", type))) << type;
  RequestHead http1 = head_with("content-type", "application/grpc");
  http1.http2 = false;
  EXPECT_FALSE(is_grpc(http1));
}

TEST(Grpc, ReadsTimeouts) {
  EXPECT_EQ(*timeout(head_with("x", "y")), std::nullopt);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "2H")), 2h);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "3M")), 3min);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "00000004S")), 4s);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "5m")), 5ms);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "6u")), 6us);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "7n")), 7ns);
  EXPECT_EQ(**timeout(head_with("grpc-timeout", "99999999H")), std::chrono::nanoseconds::max());
  for (const char* wrong : {"", "S", "5", "123456789S", "-1S", "1 S", "1s", "1.5S"}) {
    const auto read = timeout(head_with("grpc-timeout", wrong));
    ASSERT_FALSE(read.has_value()) << wrong;
    EXPECT_EQ(read.error().code, Code::kInvalidArgument);
  }
}

TEST(Grpc, EscapesMessages) {
  EXPECT_EQ(encode_message("plain text, 5%"), "plain text, 5%25");
  EXPECT_EQ(encode_message("a\r\n\xc3\xa9"), "a%0D%0A%C3%A9");
}

TEST(Grpc, TakesMessagesApartHoweverTheyAreCut) {
  const std::string bytes = frame("one") + frame("") + frame(std::string(70'000, 'x'));
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, bytes.size()}) {
    Deframer in(100'000);
    std::vector<std::string> messages;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      in.feed(std::string_view(bytes).substr(at, step));
      while (auto message = *in.next()) messages.push_back(*std::move(message));
    }
    EXPECT_EQ(messages, (std::vector<std::string>{"one", "", std::string(70'000, 'x')}));
    EXPECT_TRUE(in.empty());
  }
}

TEST(Grpc, RefusesLargeAndCompressedMessages) {
  Deframer large(10);
  large.feed(frame("12345678901").substr(0, 5));  // said before the bytes come
  EXPECT_EQ(large.next().error().code, Code::kResourceExhausted);
  Deframer compressed(10);
  compressed.feed(std::string("\x01\0\0\0\0", 5));
  EXPECT_EQ(compressed.next().error().code, Code::kUnimplemented);
}

struct Answer {
  std::uint16_t status = 0;
  Headers headers;
  Headers trailers;
  std::vector<std::string> messages;
};

// A call over the wire with `body` as it is.
Answer call(std::uint16_t port, std::string body) {
  const auto client = Client::create();
  ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(port) + "/s/m";
  request.method = "POST";
  request.headers = {{"content-type", "application/grpc"}, {"te", "trailers"}};
  request.body = std::move(body);
  request.http2 = true;
  Answer answer;
  Deframer in(1 << 20);
  std::promise<void> done;
  ResponseSink sink;
  sink.on_head = [&](ResponseHead head) {
    answer.status = head.status;
    answer.headers = std::move(head.headers);
  };
  sink.on_bytes = [&](std::string_view bytes) {
    in.feed(bytes);
    while (auto message = *in.next()) answer.messages.push_back(*std::move(message));
  };
  sink.on_trailers = [&](const Headers& trailers) { answer.trailers = trailers; };
  sink.on_end = [&] { done.set_value(); };
  sink.on_error = [&](Error error) {
    ADD_FAILURE() << error.message;
    done.set_value();
  };
  (*client)->stream(std::move(request), std::move(sink));
  done.get_future().wait();
  return answer;
}

// Answers each message with itself in brackets, refuses "bad", and ends well at the client's end.
void echo_each(const std::shared_ptr<Exchange>& exchange) {
  const auto made = std::make_shared<std::weak_ptr<Call>>();
  const auto accepted = Call::accept(
      exchange,
      [made](Result<std::optional<std::string>> message) {
        const auto open = made->lock();
        if (!message) return open->finish(fail(std::move(message).error()));
        if (!*message) return open->finish({});
        if (**message == "bad")
          return open->finish(fail(Code::kInvalidArgument, "bad: 100% \n wrong"));
        open->send("[" + **message + "]");
      },
      1000);
  *made = accepted;
}

std::unique_ptr<Server> serve() {
  ServerOptions options;
  options.port = 0;
  return *Server::create(options, echo_each);
}

TEST(Grpc, AnswersEachMessageOfAStreamAndEndsWithATrailer) {
  const auto server = serve();
  const Answer answer = call(server->port(), frame("a") + frame("") + frame("b"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.get("content-type"), "application/grpc");
  EXPECT_EQ(answer.messages, (std::vector<std::string>{"[a]", "[]", "[b]"}));
  EXPECT_EQ(answer.trailers.get("grpc-status"), "0");
  EXPECT_EQ(answer.headers.find("grpc-status"), std::nullopt);
}

TEST(Grpc, AnswersWithTrailersOnlyWhenThereIsNoMessage) {
  const auto server = serve();
  const Answer answer = call(server->port(), frame("bad") + frame("never read"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.messages.empty());
  EXPECT_EQ(answer.headers.get("grpc-status"), "3");
  EXPECT_EQ(answer.headers.get("grpc-message"), "bad: 100%25 %0A wrong");
}

TEST(Grpc, SaysWhatIsWrongWithAStreamAfterMessagesWereSent) {
  const auto server = serve();
  EXPECT_EQ(call(server->port(), frame("a") + "\x01").trailers.get("grpc-status"),
            "3");  // cut short
  EXPECT_EQ(
      call(server->port(), frame("a") + frame(std::string(1001, 'x'))).trailers.get("grpc-status"),
      "8");
  EXPECT_EQ(
      call(server->port(), frame("a") + std::string("\x01\0\0\0\0", 5)).trailers.get("grpc-status"),
      "12");
}

}  // namespace
}  // namespace serin::net::grpc
