// SPDX-License-Identifier: Apache-2.0
#include "gateway/fields.h"

#include <gtest/gtest.h>

namespace serin::gateway {
namespace {

net::RequestHead head_with(net::Headers headers) {
  net::RequestHead head;
  head.headers = std::move(headers);
  head.peer = "10.0.0.7:4000";
  return head;
}

TEST(RequestId, IsTheClientsWhereItMayBeRepeated) {
  EXPECT_EQ(request_id({{"x-request-id", "abc"}}, 1), "abc");
  EXPECT_EQ(request_id({{"x-request-id", "a b"}}, 1), "req-0000000000000001");
  EXPECT_EQ(request_id({}, 0xabcdef), "req-0000000000abcdef");
  EXPECT_EQ(request_id({{"x-request-id", std::string(200, 'a')}}, 2), "req-0000000000000002");
}

TEST(WorkerFields, LeaveOutWhatBelongsToTheClientsConnection) {
  const auto fields = fields_for_worker(head_with({{"connection", "keep-alive, X-Private"},
                                                   {"x-private", "1"},
                                                   {"keep-alive", "1"},
                                                   {"te", "gzip"},
                                                   {"transfer-encoding", "chunked"},
                                                   {"content-length", "7"},
                                                   {"upgrade", "h2c"},
                                                   {"host", "a"},
                                                   {"expect", "100-continue"},
                                                   {"proxy-authorization", "secret"},
                                                   {"serin-service", "prose"},
                                                   {"content-type", "application/json"},
                                                   {"authorization", "Bearer k"}}),
                                        {.request_id = "r1"});
  EXPECT_EQ(fields.size(), 5u);
  EXPECT_EQ(fields.get("content-type"), "application/json");
  EXPECT_EQ(fields.get("authorization"), "Bearer k");
  EXPECT_EQ(fields.get("x-request-id"), "r1");
  EXPECT_EQ(fields.get("x-forwarded-for"), "10.0.0.7");
  EXPECT_EQ(fields.get("x-forwarded-proto"), "http");
}

TEST(WorkerFields, GoOnWithTheTraceAndTheRestOfTheTime) {
  const auto parent = telemetry::parse_traceparent(
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1");
  ASSERT_TRUE(parent);
  const auto fields = fields_for_worker(
      head_with({{"traceparent", "00-old"},
                 {"tracestate", "old"},
                 {"serin-timeout", "9s"},
                 {"x-forwarded-for", "1.2.3.4"}}),
      {.request_id = "r", .trace = &*parent, .left = std::chrono::milliseconds(250)});
  EXPECT_EQ(fields.get("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  EXPECT_EQ(fields.get("tracestate"), "vendor=1");
  EXPECT_EQ(fields.get("serin-timeout"), "250ms");
  EXPECT_EQ(fields.get("x-forwarded-for"), "1.2.3.4, 10.0.0.7");
}

TEST(WorkerFields, SpeakGrpcToAGrpcWorker) {
  const auto fields =
      fields_for_worker(head_with({{"te", "trailers"}, {"grpc-timeout", "9S"}}),
                        {.request_id = "r", .left = std::chrono::seconds(2), .grpc = true});
  EXPECT_EQ(fields.get("te"), "trailers");
  EXPECT_EQ(fields.get("grpc-timeout"), "2000m");
  EXPECT_FALSE(fields.find("serin-timeout"));
}

TEST(AnswerFields, SayWhoAnswered) {
  net::Headers headers{{"date", "x"}, {"connection", "close"}, {"content-type", "text/plain"}};
  change_answer(headers, "r1", "v2");
  EXPECT_EQ(headers.size(), 3u);
  EXPECT_EQ(headers.get("serin-version"), "v2");
  EXPECT_EQ(headers.get("x-request-id"), "r1");
}

}  // namespace
}  // namespace serin::gateway
