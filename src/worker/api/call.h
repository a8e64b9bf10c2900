// SPDX-License-Identifier: Apache-2.0
// One request of a client, from its head to its answer: what every API shares. It reads the body,
// knows the deadline, cancels what runs when the client goes, counts, traces, and puts the Serin-*
// fields on the answer.
//
// Everything but post() is for the connection's thread. A Call lives as long as somebody holds it
// (call-backs do) and answers exactly once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"
#include "engine/engine.h"
#include "net/http/server.h"
#include "net/sse.h"
#include "worker/api/context.h"

namespace serin::worker::api {

class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(const Context& context, std::shared_ptr<net::Exchange> exchange, RouteMetrics& route);
  ~Call();

  const Context& context() const { return context_; }
  const net::RequestHead& head() const { return exchange_->head(); }
  const std::shared_ptr<net::Exchange>& exchange() { return exchange_; }
  telemetry::Span& span() { return span_; }
  Instant arrived() const { return arrived_; }

  // The body as one JSON object. What is wrong with it is answered here, and `then` is not called.
  void read_object(std::function<void(json::object)> then);
  void read_body(std::function<void(std::string)> then);

  // Checks fields against the package, and gives the request this call's deadline and cancellation.
  Result<engine::Request> parse(const json::object& fields,
                                engine::RequestParser::Tensors tensors = {});
  // The same for `count` generations that differ in their seeds: seed, seed + 1, … (below 2^63).
  Result<std::vector<engine::Request>> parse_choices(json::object fields, std::int64_t count);

  void respond(net::Response response);
  void respond_json(const json::value& body, std::uint16_t status = 200);
  void fail(const Error& error);

  // Names the generation in the answer's head; before the answer begins.
  void describe(std::uint64_t seed);

  // Server-sent events. The head goes out with the first.
  void send_event(const net::SseEvent& event);
  void send_data(const json::value& data) { send_event({{}, json::serialize(data), {}}); }
  // Any other stream, head first.
  void start_stream(net::ResponseHead head);
  void send_bytes(std::string_view bytes);
  void finish_stream(const net::Headers& trailers = {});
  // An error in the middle of a stream: a typed event, then the end. Before the stream, the same as
  // fail().
  void fail_stream(const Error& error);
  bool streaming() const { return streaming_; }

  // For RPC protocols that have statuses of their own: how fail() answers, and what is counted when
  // the Call ends.
  void fail_by(std::function<void(Call&, const Error&)> answer) { fail_by_ = std::move(answer); }
  void count_as(std::uint16_t status) { status_ = status; }

  // The client went away, or reads too slowly to be served.
  bool gone() const { return *gone_; }
  // Ends what runs for this Call; the client may still be told why.
  void cancel() { cancel_.cancel(); }

  // Runs `then` on the connection's thread. Safe from any thread.
  void post(std::function<void()> then) { exchange_->post(std::move(then)); }

 private:
  void add_common_fields(net::Headers& headers) const;
  void bound_unsent();

  const Context& context_;
  std::shared_ptr<net::Exchange> exchange_;
  RouteMetrics& route_;
  Instant arrived_;
  telemetry::Span span_;
  CancelToken cancel_;
  std::shared_ptr<bool> gone_ = std::make_shared<bool>(false);
  std::string request_id_;
  std::optional<std::uint64_t> seed_;
  std::function<void(Call&, const Error&)> fail_by_;
  std::uint16_t status_ = 0;  // 0: not answered
  bool streaming_ = false;
};

// The deadline that a head asks for: `Serin-Timeout` ("250ms", "1.5s", or seconds), `grpc-timeout`
// on gRPC; none when it asks for none. kInvalidArgument when it is malformed. Pure.
Result<std::optional<Duration>> requested_timeout(const net::RequestHead& head);

}  // namespace serin::worker::api
