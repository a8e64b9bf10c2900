// SPDX-License-Identifier: Apache-2.0
// One request of a client, from its head to its answer: what every API shares. It reads the body,
// knows the deadline, cancels what runs when the client goes, counts, traces, and puts the Serin-*
// fields on the answer.
//
// Everything but post(), parse(), gone() and the destructor is for the connection's thread. A Call
// lives as long as somebody holds it (call-backs do) and is answered exactly once: a second answer
// is dropped, what a call-back throws becomes one, and a Call that nobody answered before it went
// is answered 500.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"
#include "base/last_resort.h"
#include "engine/engine.h"
#include "net/http/request_fields.h"
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

  // The body as one JSON object, as `read` understands it: a function of the object that gives a
  // Result, touches nothing of the connection, and runs in the pool where that may take long. Then
  // `then` with what it gave. What is wrong is answered here.
  template <class Read, class Then>
  void read_object(Read read, Then then);
  // The same for a body that is not JSON.
  template <class Read, class Then>
  void read_body(Read read, Then then);
  // The same for `bytes` bytes that are here already.
  template <class Make, class Then>
  void make(std::size_t bytes, Make make, Then then);
  // The same for an answer that the engine has made, where it is known whether writing it is quick.
  template <class Make, class Then>
  void answer(bool quick, Make make, Then then);
  // Runs `make` in the pool, and `then` with what it gave on the connection's thread. A full pool,
  // an error and an exception are answered here.
  template <class Make, class Then>
  void compute(Pool::Work work, Make make, Then then);
  // Runs `work` here; what it throws is answered.
  template <class Work>
  void guarded(Work&& work) noexcept;

  // Checks fields against the package, and gives the request this call's deadline and cancellation.
  Result<engine::Request> parse(const json::object& fields,
                                engine::RequestParser::Tensors tensors = {});
  // The same for `count` generations that differ in their seeds: seed, seed + 1, … (below 2^63).
  Result<std::vector<engine::Request>> parse_choices(json::object fields, std::int64_t count);

  void respond(net::Response response);
  void respond_json(const json::value& body, std::uint16_t status = 200);
  void fail(const Error& error);

  // Names the generation in the answer's head; before the answer begins. Without a seed: one that
  // somebody else makes.
  void describe(std::uint64_t seed);
  void describe() { described_ = true; }
  // The same for protocols with parameters of their own: serin_package, serin_seed and so on.
  json::object origin() const;
  // How well formed what the answer gives is, from 0 to 1: a field of its head, or of its trailer
  // once it streams. Of several generations the least is kept.
  void score(double form) { score_ = std::min(score_.value_or(1), form); }

  // Server-sent events. The head goes out with the first.
  void send_event(const net::SseEvent& event);
  void send_data(const json::value& data) { send_event({{}, json::serialize(data), {}}); }
  void finish_stream();
  // An error in the middle of a stream: a typed event, then the end. Before the stream, the same as
  // fail().
  void fail_stream(const Error& error);

  // A medium that comes piece by piece, head first; finish_stream() ends it.
  void start_medium(net::ResponseHead head);
  void send_bytes(std::string_view bytes);
  // An error in the middle of a medium, which has no place for words: it is cut, so that nobody
  // takes it for whole. Before it has begun, the same as fail().
  void break_off(const Error& error);

  // For RPC protocols that have statuses of their own: how fail() answers; that something was
  // written, so that a client that does not take it is cut off; that the answer ends with `status`,
  // to be said before its last byte is written.
  void fail_by(std::function<void(Call&, const Error&)> answer) { fail_by_ = std::move(answer); }
  void bound_unsent();
  void settle(std::uint16_t status);

  // The client went away, or reads too slowly to be served. Safe from any thread.
  bool gone() const { return gone_.cancelled(); }
  // There is nothing left to answer.
  bool over() const { return settled_ || gone(); }
  // Ends what runs for this Call; the client may still be told why.
  void cancel() { cancel_.cancel(); }
  CancelToken cancellation() const { return cancel_; }

  // When what is being answered came: this call's head, or the message of a stream that begin()
  // names.
  Instant began() const { return began_; }
  void begin(Instant came) { began_ = came; }

  // Runs `then` on the connection's thread. Safe from any thread.
  void post(std::function<void()> then);

 private:
  template <class Make, class Then>
  void here(Make& make, Then& then);
  void failed(const Error& error);
  void receive(std::function<void(std::string)> then);
  Result<json::object> object_of(const std::string& body) const;
  void add_common_fields(net::Headers& headers) const;
  void start_stream();

  const Context& context_;
  std::shared_ptr<net::Exchange> exchange_;
  RouteMetrics& route_;
  const Instant arrived_;
  Instant began_;
  telemetry::Span span_;
  CancelToken cancel_, gone_;
  std::string request_id_;
  bool described_ = false;
  std::optional<std::uint64_t> seed_;
  // Of what was parsed last, for the log: parse() may run in the pool.
  std::atomic<std::int64_t> parsed_seed_{-1};
  std::optional<double> score_;
  std::function<void(Call&, const Error&)> fail_by_;
  bool streaming_ = false;
  bool settled_ = false;
};

template <class Read, class Then>
void Call::read_object(Read read, Then then) {
  auto understand = [this, read = std::move(read)](const std::string& body) {
    auto object = object_of(body);
    return object ? read(*object)
                  : decltype(read(*object))(tl::unexpect, std::move(object).error());
  };
  read_body(std::move(understand), std::move(then));
}

template <class Read, class Then>
void Call::read_body(Read read, Then then) {
  receive([self = shared_from_this(), read = std::move(read),
           then = std::move(then)](std::string body) {
    const std::size_t bytes = body.size();
    auto understand = [read, body = std::move(body)] { return read(body); };
    self->make(bytes, std::move(understand), then);
  });
}

template <class Make, class Then>
void Call::make(std::size_t bytes, Make make, Then then) {
  if (context_.parser.is_quick(bytes)) return here(make, then);
  compute(Pool::Work::kNew, std::move(make), std::move(then));
}

template <class Make, class Then>
void Call::answer(bool quick, Make make, Then then) {
  if (quick) return here(make, then);
  compute(Pool::Work::kAnswer, std::move(make), std::move(then));
}

template <class Make, class Then>
void Call::here(Make& make, Then& then) {
  auto made = make();
  if (!made) return fail_stream(made.error());
  then(*std::move(made));
}

template <class Make, class Then>
void Call::compute(Pool::Work work, Make make, Then then) {
  auto task = [self = shared_from_this(), make = std::move(make), then = std::move(then)] {
    if (self->gone()) return;
    auto made = attempt("this request", make);
    self->post([self, then, made = std::move(made)]() mutable {
      auto give = [&made] { return std::move(made); };
      self->here(give, then);
    });
  };
  if (auto taken = context_.pool.run(work, std::move(task)); !taken) fail_stream(taken.error());
}

template <class Work>
void Call::guarded(Work&& work) noexcept {
  try {
    work();
  } catch (...) {
    log_caught("a request");
    survives("a request", [&] {
      cancel();
      fail_stream(caught("this request"));
    });
  }
}

}  // namespace serin::worker::api
