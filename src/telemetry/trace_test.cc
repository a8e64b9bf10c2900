// SPDX-License-Identifier: Apache-2.0
#include "telemetry/trace.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/json.h"
#include "telemetry/otlp.h"

namespace serin::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kExample = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Collected final : SpanSink {
  std::vector<SpanRecord> records;
  void take(SpanRecord record) override { records.push_back(std::move(record)); }
};

TEST(Traceparent, IsReadAndWrittenAsTheStandardSays) {
  const auto context = parse_traceparent(kExample, "vendor=1");
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_hex(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(context->span_hex(), "b7ad6b7169203331");
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(context->state, "vendor=1");
  EXPECT_EQ(format_traceparent(*context), kExample);
  // A later version may hold more.
  EXPECT_TRUE(parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more")
                  .has_value());
  EXPECT_FALSE(
      parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").value().sampled);
}

TEST(Traceparent, IsDroppedWhenItIsBroken) {
  for (const char* text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                           "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00more",
                           "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01"}) {
    EXPECT_FALSE(parse_traceparent(text).has_value()) << text;
  }
  EXPECT_EQ(parse_traceparent(kExample, std::string(600, 'x'))->state, "");
}

TEST(Spans, ContinueTheCallersTrace) {
  ManualClock clock;
  Collected sink;
  const Tracer tracer(&sink, clock, 0.0);
  const auto parent = parse_traceparent(kExample);
  {
    Span span = tracer.start("request", SpanKind::kServer, parent);
    EXPECT_TRUE(span.recording());
    span.set("http.response.status_code", std::int64_t{200});
    clock.advance(5ms);
    span.event("first token");
    span.fail("it broke");
    Span child = tracer.start("engine", SpanKind::kInternal, span.context());
    EXPECT_EQ(child.context().trace, parent->trace);
  }
  ASSERT_EQ(sink.records.size(), 2u);
  const SpanRecord& record = sink.records[1];
  EXPECT_EQ(record.context.trace, parent->trace);
  EXPECT_EQ(record.parent, parent->span);
  EXPECT_NE(record.context.span, parent->span);
  EXPECT_EQ(record.end - record.begin, 5ms);
  EXPECT_EQ(sink.records[0].parent, record.context.span);
  EXPECT_TRUE(record.failed);
}

TEST(Spans, AreSampledOnceATrace) {
  ManualClock clock;
  Collected sink;
  const Tracer none(&sink, clock, 0.0), all(&sink, clock, 1.0), half(&sink, clock, 0.5);
  EXPECT_FALSE(none.start("a", SpanKind::kServer).context().sampled);
  EXPECT_TRUE(none.start("a", SpanKind::kServer).context().valid());
  EXPECT_TRUE(all.start("a", SpanKind::kServer).context().sampled);
  int sampled = 0;
  for (int i = 0; i < 2000; ++i)
    sampled += half.start("a", SpanKind::kServer).context().sampled ? 1 : 0;
  EXPECT_NEAR(sampled, 1000, 150);
  const auto unsampled =
      parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  EXPECT_FALSE(all.start("a", SpanKind::kServer, unsampled).recording());
}

TEST(Spans, EndOnceHoweverTheyAreMoved) {
  ManualClock clock;
  Collected sink;
  const Tracer tracer(&sink, clock);
  Span span = tracer.start("a", SpanKind::kServer);
  Span moved = std::move(span);
  moved.end();
  moved.end();
  moved = Span();
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST(Spans, OfWhoRecordsNothingAreNobodysParents) {
  const ManualClock clock;
  const Tracer silent(nullptr, clock);
  const auto parent = parse_traceparent(kExample);
  EXPECT_EQ(format_traceparent(silent.start("a", SpanKind::kServer, parent).context()), kExample);
  EXPECT_FALSE(silent.start("a", SpanKind::kServer).context().valid());
}

TEST(OtlpJson, HasTheFieldsOfTheProtocol) {
  SpanRecord record;
  record.context = *parse_traceparent(kExample, "v=1");
  record.parent = {0, 0, 0, 0, 0, 0, 0, 7};
  record.name = "request";
  record.kind = SpanKind::kServer;
  record.begin = std::chrono::system_clock::time_point(1s);
  record.end = record.begin + 2ms;
  record.attributes = {{"s", std::string("x")}, {"i", std::int64_t{7}}, {"d", 0.5}, {"b", true}};
  record.events = {{"first", record.begin + 1ms}};
  record.failed = true;
  record.failure = "why";
  const auto body = parse_json(
      otlp_json({{"service.name", std::string("serin")}}, std::vector<SpanRecord>{record}));
  ASSERT_TRUE(body.has_value()) << body.error().message;
  EXPECT_EQ(
      canonical_json(*body),
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"serin"}}]},)"
      R"("scopeSpans":[{"scope":{"name":"serin"},"spans":[{"attributes":[{"key":"s","value":{"stringValue":"x"}},)"
      R"({"key":"i","value":{"intValue":"7"}},{"key":"d","value":{"doubleValue":0.5}},{"key":"b","value":{"boolValue":true}}],)"
      R"("endTimeUnixNano":"1002000000","events":[{"name":"first","timeUnixNano":"1001000000"}],"kind":2,"name":"request",)"
      R"("parentSpanId":"0000000000000007","spanId":"b7ad6b7169203331","startTimeUnixNano":"1000000000",)"
      R"("status":{"code":2,"message":"why"},"traceId":"0af7651916cd43dd8448eb211c80319c","traceState":"v=1"}]}]}]})");
}

TEST(OtlpExporters, SendInBatches) {
  std::mutex mutex;
  std::vector<std::size_t> sizes;
  std::string url;
  {
    OtlpExporter exporter(
        {.endpoint = "http://collector:4318/", .resource = {}, .batch_spans = 10, .interval = 60s},
        [&](const std::string& to, const std::string& body) -> Status {
          const std::lock_guard lock(mutex);
          url = to;
          const auto parsed = *parse_json(body);
          sizes.push_back(parsed.at("resourceSpans")
                              .at(0)
                              .at("scopeSpans")
                              .at(0)
                              .at("spans")
                              .get_array()
                              .size());
          return {};
        });
    for (int i = 0; i < 25; ++i) exporter.take({});
    EXPECT_TRUE(exporter.flush(10s));
    EXPECT_EQ(exporter.sent(), 25u);
    exporter.take({});
  }
  std::size_t total = 0;
  for (const std::size_t size : sizes) {
    EXPECT_LE(size, 10u);
    total += size;
  }
  EXPECT_EQ(total, 26u);  // the last one by the destructor
  EXPECT_EQ(url, "http://collector:4318/v1/traces");
}

TEST(OtlpExporters, DropWhatTheyCannotHoldAndNeverBlock) {
  std::mutex mutex;
  std::condition_variable released;
  bool release = false;
  OtlpExporter exporter(
      {.endpoint = "http://c", .resource = {}, .queue_spans = 8, .batch_spans = 4, .interval = 1ms},
      [&](const std::string&, const std::string&) -> Status {
        std::unique_lock lock(mutex);
        released.wait(lock, [&] { return release; });
        return fail(Code::kUnavailable, "no collector");
      });
  for (int i = 0; i < 100; ++i) exporter.take({});
  EXPECT_GE(exporter.dropped(), 100u - 8 - 4);
  {
    const std::lock_guard lock(mutex);
    release = true;
  }
  released.notify_all();
  EXPECT_TRUE(exporter.flush(10s));
  EXPECT_EQ(exporter.sent(), 0u);
  EXPECT_EQ(exporter.dropped(), 100u);
}

}  // namespace
}  // namespace serin::telemetry
