// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/answer.h"

#include <gmock/gmock.h>

#include "base/base64.h"
#include "net/http/status.h"

namespace serin::worker::api {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

Error of(std::uint16_t status, std::string_view body, std::string_view retry = "") {
  net::ResponseHead head{status, {}};
  if (!retry.empty()) head.headers.add("retry-after", retry);
  return error_of_answer(head, body);
}

TEST(UpstreamErrors, KeepWhatTheClientDidWrong) {
  const Error error =
      of(400, R"({"error": {"message": "too hot", "param": "temperature", "code": "bad_value"}})");
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.message, "too hot");
  EXPECT_EQ(error.param, "temperature");
  EXPECT_EQ(error.reason, "bad_value");
  EXPECT_EQ(net::http_status(of(404, "")), 404);
  EXPECT_EQ(net::http_status(of(413, "")), 413);
  EXPECT_EQ(net::http_status(of(422, "")), 400);
}

TEST(UpstreamErrors, AreReadInEveryShapeThatServersHave) {
  EXPECT_EQ(of(400, R"({"error": "no model"})").message, "no model");
  EXPECT_EQ(of(400, R"({"object": "error", "message": "too long"})").message, "too long");
  EXPECT_EQ(of(400, R"({"detail": "Not good"})").message, "Not good");
  EXPECT_EQ(of(400, "<html>").message, "the upstream answered 400");
  EXPECT_EQ(of(400, "<html>").reason, "upstream_error");
  EXPECT_LT(of(400, R"({"error": ")" + std::string(100'000, 'x') + "\"}").message.size(), 3000u);
}

TEST(UpstreamErrors, OfTheUpstreamsOwnMakingAre502) {
  for (const std::uint16_t status : {301, 307, 401, 403, 500, 501, 599}) {
    const Error error = of(status, R"({"error": {"message": "boom", "code": "x"}})");
    EXPECT_EQ(net::http_status(error), 502) << status;
    EXPECT_EQ(error.reason, "bad_upstream");
  }
  EXPECT_THAT(of(302, "").message, HasSubstr("redirects are not followed"));
  EXPECT_THAT(of(401, R"({"error": "key sk-secret is wrong"})").message,
              testing::Not(HasSubstr("secret")));
}

TEST(UpstreamErrors, ThatPassSayWhenToComeBack) {
  EXPECT_EQ(of(429, "").retry_after, milliseconds(1000));
  EXPECT_EQ(of(429, "", "7").retry_after, milliseconds(7000));
  EXPECT_EQ(of(503, "", "99999999").retry_after, milliseconds(3'600'000));
  EXPECT_EQ(of(503, "", "Wed, 21 Oct 2015 07:28:00 GMT").retry_after, milliseconds(1000));
  EXPECT_EQ(net::http_status(of(503, "")), 503);
  EXPECT_EQ(net::http_status(of(504, "")), 504);
}

TEST(TransportErrors, AreTheUpstreams) {
  EXPECT_EQ(net::http_status(error_of_transport({Code::kUnavailable, "refused"})), 503);
  EXPECT_EQ(error_of_transport({Code::kUnavailable, "refused"}).message, "upstream: refused");
  EXPECT_EQ(net::http_status(error_of_transport({Code::kDeadlineExceeded, "late"})), 504);
  EXPECT_EQ(error_of_transport({Code::kAborted, "broke"}).reason, "upstream_broke");
  EXPECT_EQ(net::http_status(error_of_transport({Code::kAborted, "no HTTP", "bad_status"})), 502);
}

TEST(UpstreamAnswers, AreJsonObjectsOrBad) {
  EXPECT_EQ(net::http_status(read_upstream_object("<html>").error()), 502);
  EXPECT_EQ(net::http_status(read_upstream_object("[1]").error()), 502);
  EXPECT_TRUE(read_upstream_object("{}").has_value());
}

json::object object(std::string_view text) { return json::parse(text).as_object(); }

TEST(UpstreamAnswers, HaveTextAndUsageInEachForm) {
  EXPECT_EQ(text_in(object(R"({"choices": [{"text": "a"}]})")), "a");
  EXPECT_EQ(text_in(object(R"({"choices": [{"message": {"content": "b"}}]})")), "b");
  EXPECT_EQ(text_in(object(R"({"choices": [{"delta": {"content": "c"}}]})")), "c");
  EXPECT_EQ(text_in(object(R"({"choices": []})")), std::nullopt);
  EXPECT_EQ(text_in(object(R"({"choices": [{"message": {"content": null}}]})")), std::nullopt);
  const auto chat = usage_in(object(R"({"usage": {"prompt_tokens": 3, "completion_tokens": 4}})"));
  EXPECT_EQ(chat->prompt + 10 * chat->completion, 43);
  const auto response =
      usage_in(object(R"({"response": {"usage": {"input_tokens": 5, "output_tokens": -6}}})"));
  EXPECT_EQ(response->prompt, 5);
  EXPECT_EQ(response->completion, 0);
  EXPECT_FALSE(usage_in(object("{\"usage\": null}")).has_value());
}

TEST(UpstreamAnswers, CallTheModelByOurName) {
  json::object answer = object(R"({"model": "theirs", "response": {"model": "theirs"}})");
  rename_model(answer, "ours");
  EXPECT_EQ(json::serialize(answer), R"({"model":"ours","response":{"model":"ours"}})");
  json::object none;
  rename_model(none, "ours");
  EXPECT_TRUE(none.empty());
}

TEST(UpstreamAnswers, HavePicturesAsBase64) {
  const std::string png = "\x89PNG\r\n\x1a\nrest";
  const auto made = image_in({{"data", json::array{json::object{{"b64_json", to_base64(png)}}}}});
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(image_type(*made), "image/png");
  EXPECT_EQ(image_type("text"), "");
  EXPECT_FALSE(image_in(object(R"({"data": [{"url": "http://x/y.png"}]})")).has_value());
  EXPECT_FALSE(image_in(object(R"({"data": [{"b64_json": "%%%"}]})")).has_value());
}

TEST(UpstreamEvents, AreRenamedAndTheLastIsKnown) {
  const auto event = read_upstream_event({"", R"({"model": "theirs", "n": 1})", "7"}, "ours");
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->event.data, R"({"model":"ours","n":1})");
  EXPECT_EQ(event->event.id, "7");
  EXPECT_FALSE(event->last);
  EXPECT_TRUE(read_upstream_event({"", "[DONE]", ""}, "ours")->last);
  EXPECT_TRUE(
      read_upstream_event({"response.completed", R"({"type": "response.completed"})", ""}, "ours")
          ->last);
}

TEST(UpstreamEvents, ThatAreErrorsSayWhetherToRetry) {
  const auto plain =
      read_upstream_event({"", R"({"error": {"message": "out of memory", "code": 500}})", ""}, "o");
  ASSERT_FALSE(plain.has_value());
  EXPECT_EQ(plain.error().message, "out of memory");
  EXPECT_EQ(plain.error().code, Code::kInternal);
  const auto retryable = read_upstream_event(
      {"error", R"({"error": {"message": "m", "code": "draining", "retryable": true}})", ""}, "o");
  EXPECT_EQ(retryable.error().code, Code::kUnavailable);
  EXPECT_EQ(retryable.error().reason, "draining");
  const auto unreadable = read_upstream_event({"", "no JSON", ""}, "o");
  EXPECT_EQ(unreadable.error().reason, "bad_upstream");
  EXPECT_TRUE(unreadable.error().message.starts_with(
      "the upstream gave an answer that cannot be read: not JSON: syntax error"))
      << unreadable.error().message;
}

}  // namespace
}  // namespace serin::worker::api
