// SPDX-License-Identifier: Apache-2.0
#include "worker/api/call.h"

#include <limits>

#include "base/log.h"
#include "net/grpc/frame.h"
#include "net/http/error_body.h"
#include "net/http/status.h"
#include "telemetry/http_spans.h"
#include "worker/api/form.h"

namespace serin::worker::api {
namespace {

constexpr std::uint16_t kClientClosedRequest = 499;

bool takes_media(const model::Manifest& manifest) {
  return std::ranges::any_of(manifest.inputs, [](const model::Input& input) {
    return std::holds_alternative<model::ImageInput>(input.kind) ||
           std::holds_alternative<model::AudioInput>(input.kind);
  });
}

}  // namespace

Call::Call(const Context& context, std::shared_ptr<net::Exchange> exchange, RouteMetrics& route)
    : context_(context),
      exchange_(std::move(exchange)),
      route_(route),
      arrived_(context.clock.now()),
      began_(arrived_),
      span_(telemetry::start_server_span(context.tracer, head(), route.route())) {
  exchange_->on_gone([token = cancel_, gone = gone_] {
    gone.cancel();
    token.cancel();
  });
  request_id_ = net::usable_request_id(head().headers);
}

Call::~Call() {
  if (settled_) return;
  survives("the end of a request", [this] {
    if (gone()) return settle(kClientClosedRequest);
    settle(500);
    log::error("a request was left without an answer", {{"path", head().path}});
    exchange_->post([exchange = exchange_] { exchange->abandon(); });
  });
}

void Call::settle(std::uint16_t status) {
  if (std::exchange(settled_, true)) return;
  if (status == kClientClosedRequest) context_.metrics.cancelled();
  route_.answered(status, context_.clock.now() - arrived_);
  telemetry::end_server_span(span_, status);
}

void Call::post(std::function<void()> then) {
  exchange_->post([self = shared_from_this(), then = std::move(then)] { self->guarded(then); });
}

void Call::receive(std::function<void(std::string)> then) {
  exchange_->read_body(
      [self = shared_from_this(), then = std::move(then)](Result<std::string> body) {
        self->guarded([&] {
          if (!body) return self->fail(body.error());
          then(*std::move(body));
        });
      });
}

Result<json::object> Call::object_of(const std::string& body) const {
  auto parsed = parse_json(body.empty() ? "{}" : std::string_view(body), context_.options.json);
  if (!parsed) {
    parsed.error().reason = "invalid_json";
    if (takes_media(context_.package.manifest))
      parsed.error().message += "; send a JSON object, with pictures and sounds in it as base64";
    return serin::fail(std::move(parsed).error().within("the body"));
  }
  if (!parsed->is_object()) {
    return serin::fail(
        Error{Code::kInvalidArgument, "the body must be a JSON object", "invalid_json"});
  }
  return std::move(parsed->as_object());
}

Result<engine::Request> Call::parse(const json::object& fields,
                                    engine::RequestParser::Tensors tensors) {
  SERIN_TRY_ASSIGN(const auto timeout, net::requested_timeout(head()));
  SERIN_TRY_ASSIGN(auto request, context_.parser.parse(fields, std::move(tensors)));
  const Duration fallback = context_.options.default_timeout;
  if (timeout) {
    request.deadline = arrived_ + *timeout;
  } else if (fallback > Duration::zero()) {
    request.deadline = began_ + fallback;
  }
  request.cancel = cancel_;
  parsed_seed_.store(static_cast<std::int64_t>(request.seed), std::memory_order_relaxed);
  return request;
}

Result<std::vector<engine::Request>> Call::parse_choices(json::object fields, std::int64_t count) {
  const auto most = static_cast<std::int64_t>(context_.options.choices);
  if (count < 1 || count > most) {
    return serin::fail(Error{Code::kInvalidArgument,
                             "n must be between 1 and " + std::to_string(most), "invalid_value",
                             "n"});
  }
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
  std::vector<engine::Request> made;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i > 0) fields["seed"] = (made.front().seed + static_cast<std::uint64_t>(i)) & kLargest;
    SERIN_TRY_ASSIGN(auto request, parse(fields));
    made.push_back(std::move(request));
  }
  // That of the request, by which all of them can be had again.
  parsed_seed_.store(static_cast<std::int64_t>(made.front().seed), std::memory_order_relaxed);
  return made;
}

void Call::describe(std::uint64_t seed) {
  described_ = true;
  seed_ = seed;
}

json::object Call::origin() const {
  json::object origin{{"serin_package", context_.package.digest},
                      {"serin_profile", context_.profile()},
                      {"serin_reproducible", context_.reproducible}};
  if (seed_) origin["serin_seed"] = static_cast<std::int64_t>(*seed_);
  return origin;
}

void Call::add_common_fields(net::Headers& headers) const {
  if (!request_id_.empty()) headers.set("x-request-id", request_id_);
  if (!described_) return;
  headers.set("serin-package", context_.package.digest);
  headers.set("serin-profile", context_.profile());
  headers.set("serin-reproducible", context_.reproducible);
  if (seed_) headers.set("serin-seed", std::to_string(*seed_));
  if (score_) headers.set("serin-score", score_field(*score_));
}

void Call::respond(net::Response response) {
  if (over()) return;
  settle(response.status);
  add_common_fields(response.headers);
  exchange_->respond(std::move(response));
}

void Call::respond_json(const json::value& body, std::uint16_t status) {
  respond({status, {{"content-type", "application/json"}}, json::serialize(body)});
}

// Counts it, and says in the log what is our fault: what a metric alone would leave without a
// cause. Full queues and late answers are the load's, and are counted only.
void Call::failed(const Error& error) {
  context_.metrics.failed(net::error_code(error));
  if (net::http_status(error) != 500) return;
  const auto left_out = context_.failures.take(context_.clock.now());
  if (!left_out) return;
  const std::int64_t seed = parsed_seed_.load(std::memory_order_relaxed);
  // What an upstream says may quote the prompt.
  const bool quotes = context_.package.manifest.remote.has_value();
  log::warning("a request failed", {{"service", context_.service()},
                                    {"path", head().path},
                                    {"request_id", request_id_},
                                    {"seed", seed < 0 ? json::value(nullptr) : json::value(seed)},
                                    {"code", net::error_code(error)},
                                    {"error", quotes ? std::string() : error.message},
                                    {"not_logged_before", *left_out}});
}

void Call::fail(const Error& error) {
  if (over()) return;
  failed(error);
  if (fail_by_) return fail_by_(*this, error);
  respond(net::error_response(error));
}

void Call::start_stream() {
  streaming_ = true;
  net::ResponseHead head{200,
                         {{"content-type", "text/event-stream; charset=utf-8"},
                          {"cache-control", "no-cache"},
                          {"trailer", "serin-score"},
                          {"x-accel-buffering", "no"}}};
  add_common_fields(head.headers);
  exchange_->start(std::move(head));
}

void Call::start_medium(net::ResponseHead head) {
  if (over()) return;
  streaming_ = true;
  add_common_fields(head.headers);
  exchange_->start(std::move(head));
}

void Call::send_bytes(std::string_view bytes) {
  if (over()) return;
  exchange_->write(bytes);
  bound_unsent();
}

void Call::break_off(const Error& error) {
  if (!streaming_) return fail(error);
  if (over()) return;
  span_.fail(error.message);
  failed(error);
  settle(200);
  exchange_->abort();
}

void Call::send_event(const net::SseEvent& event) {
  if (over()) return;
  if (!streaming_) start_stream();
  exchange_->write(net::to_sse(event));
  bound_unsent();
}

// A client that reads too slowly loses its place: memory is bounded and the device is not.
void Call::bound_unsent() {
  if (exchange_->unsent() <= context_.options.server.limits.unsent_bytes) return;
  gone_.cancel();
  cancel_.cancel();
  exchange_->abort();
}

void Call::finish_stream() {
  if (over()) return;
  settle(200);
  net::Headers trailers;
  if (score_) trailers.set("serin-score", score_field(*score_));
  exchange_->finish(trailers);
}

void Call::fail_stream(const Error& error) {
  if (!streaming_) return fail(error);
  if (over()) return;
  span_.fail(error.message);
  failed(error);
  exchange_->write(net::error_event(error));
  finish_stream();
}

}  // namespace serin::worker::api
