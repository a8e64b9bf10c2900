// SPDX-License-Identifier: Apache-2.0
#include "telemetry/http_spans.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

namespace serin::telemetry {
namespace {

using testing::Contains;
using testing::Not;
using testing::Pair;

struct Collected final : SpanSink {
  std::vector<SpanRecord> records;
  void take(SpanRecord record) override { records.push_back(std::move(record)); }
};

net::RequestHead request(std::string method, std::string target) {
  net::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.path = head.target.substr(0, head.target.find('?'));
  head.authority = "example.org";
  head.peer = "127.0.0.1:5342";
  return head;
}

class HttpSpans : public testing::Test {
 protected:
  ManualClock clock_;
  Collected sink_;
  Tracer tracer_{&sink_, clock_};
};

AttributeValue text(std::string value) { return value; }
AttributeValue number(std::int64_t value) { return value; }

TEST_F(HttpSpans, GoOnWithTheClientsTrace) {
  net::RequestHead head = request("POST", "/v1/videos/a%FF/content?key=secret");
  head.headers = {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                  {"user-agent", "te\xffst"}};
  Span span = start_server_span(tracer_, head, "/v1/videos/{id}/content");
  end_server_span(span, 200);
  const SpanRecord& record = sink_.records.at(0);
  EXPECT_EQ(record.context.trace_hex(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(record.name, "POST /v1/videos/{id}/content");
  EXPECT_EQ(record.kind, SpanKind::kServer);
  EXPECT_FALSE(record.failed);
  EXPECT_THAT(record.attributes, Contains(Pair("http.request.method", text("POST"))));
  EXPECT_THAT(record.attributes, Contains(Pair("http.route", text("/v1/videos/{id}/content"))));
  EXPECT_THAT(record.attributes, Contains(Pair("url.path", text("/v1/videos/a%FF/content"))));
  EXPECT_THAT(record.attributes, Contains(Pair("client.address", text("127.0.0.1"))));
  EXPECT_THAT(record.attributes, Contains(Pair("user_agent.original", text("te?st"))));
  EXPECT_THAT(record.attributes, Contains(Pair("http.response.status_code", number(200))));
}

TEST_F(HttpSpans, OfServersFailFrom500On) {
  for (const std::uint16_t status : {404, 503}) {
    Span span = start_server_span(tracer_, request("BREW", "/x"), {});
    end_server_span(span, status);
  }
  EXPECT_EQ(sink_.records.at(0).name, "HTTP");
  EXPECT_FALSE(sink_.records.at(0).failed);
  EXPECT_THAT(sink_.records.at(0).attributes,
              Contains(Pair("http.request.method", text("_OTHER"))));
  EXPECT_TRUE(sink_.records.at(1).failed);
  EXPECT_THAT(sink_.records.at(1).attributes, Contains(Pair("error.type", text("503"))));
}

TEST_F(HttpSpans, OfClientsAreChildrenThatFailFrom400On) {
  const net::RequestHead head = request("POST", "/generate");
  Span server = start_server_span(tracer_, head, "/generate");
  net::Endpoint endpoint;
  endpoint.unix_socket = "/run/w.sock";
  Span first = start_client_span(tracer_, server.context(), head, "/generate");
  set_server(first, endpoint);
  EXPECT_EQ(first.context().trace, server.context().trace);
  end_client_span(first, 429, {});
  endpoint = *net::parse_url("http://10.0.0.1:81/");
  Span second = start_client_span(tracer_, server.context(), head, "/generate");
  set_server(second, endpoint);
  end_client_span(second, 0, "broken");
  const SpanRecord& refused = sink_.records.at(0);
  EXPECT_EQ(refused.parent, server.context().span);
  EXPECT_EQ(refused.kind, SpanKind::kClient);
  EXPECT_TRUE(refused.failed);
  EXPECT_THAT(refused.attributes, Contains(Pair("server.address", text("/run/w.sock"))));
  const SpanRecord& broken = sink_.records.at(1);
  EXPECT_THAT(broken.attributes, Contains(Pair("server.port", number(81))));
  EXPECT_THAT(broken.attributes, Contains(Pair("error.type", text("broken"))));
  EXPECT_THAT(broken.attributes, Not(Contains(Pair("http.response.status_code", testing::_))));
}

TEST_F(HttpSpans, OfGrpcAreNamedByTheCall) {
  net::RequestHead head = request("POST", "/inference.GRPCInferenceService/ModelInfer");
  head.http2 = true;
  head.headers = {{"content-type", "application/grpc"}};
  Span span = start_server_span(tracer_, head, {});
  span.end();
  EXPECT_EQ(sink_.records.at(0).name, "inference.GRPCInferenceService/ModelInfer");
  EXPECT_THAT(sink_.records.at(0).attributes, Contains(Pair("rpc.method", text("ModelInfer"))));
}

}  // namespace
}  // namespace serin::telemetry
