// SPDX-License-Identifier: Apache-2.0
#include "net/http/h1_session.h"

#include <charconv>
#include <utility>

#include "base/check.h"
#include "net/http/text.h"

namespace serin::net {

namespace {

// A body that nobody wanted is read and dropped up to this size, so that the connection can be
// kept.
constexpr std::uint64_t kDiscardBytes = 256 * 1024;

bool bodiless(std::uint16_t status) { return status < 200 || status == 204 || status == 304; }

void append_length(std::string& out, std::uint64_t length) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, length);
  out += "content-length: ";
  out.append(digits, end);
  out += "\r\n";
}

}  // namespace

// --- H1Exchange

void H1Exchange::respond(Response response) {
  SERIN_CHECK(!std::exchange(started_, true));
  if (session_) session_->respond(std::move(response));
}

void H1Exchange::start(ResponseHead head) {
  SERIN_CHECK(!std::exchange(started_, true));
  if (session_) session_->start(head);
}

void H1Exchange::write(std::string_view bytes) {
  SERIN_CHECK(started_);
  if (session_) session_->write(bytes);
}

void H1Exchange::finish(const Headers& trailers) {
  SERIN_CHECK(started_);
  if (session_) session_->finish(trailers);
}

void H1Exchange::abort() {
  if (session_) session_->abort();
}

std::size_t H1Exchange::unsent() const { return session_ ? session_->link().unsent() : 0; }

void H1Exchange::on_drained(std::function<void()> call) {
  if (!session_) return;
  drained_call_ = std::move(call);
  session_->link().wake();
}

void H1Exchange::done() {
  detach();
  let_go();
}

void H1Exchange::body_wanted() {
  if (session_) session_->body_wanted();
}

// --- H1Session: what comes in

H1Session::H1Session(Link& link, ServerContext& context)
    : link_(link),
      context_(context),
      loop_(link.loop().shared_from_this()),
      limits_{context.limits.header_bytes, context.limits.header_fields, context.limits.body_bytes},
      reader_(limits_),
      body_(limits_),
      since_(link.opened()) {}

H1Session::~H1Session() = default;

void H1Session::process() {
  if (std::exchange(processing_, true)) return;
  while (link_.open() && !link_.finishing() && step()) {
  }
  processing_ = false;
}

// True when there may be more to do at once.
bool H1Session::step() {
  switch (state_) {
    case State::kHead:
      return read_head();
    case State::kExchange:
      return read_body();
    case State::kDiscard:
      return discard_body();
  }
  return false;
}

bool H1Session::read_head() {
  // A client that sends requests ahead and takes no answers is not read further.
  if (link_.input().empty() || link_.unsent() > context_.limits.unsent_bytes) return false;
  if (!std::exchange(head_begun_, true)) since_ = loop_->now();
  std::size_t used = 0;
  const h1::Step result = reader_.read(link_.input(), used);
  link_.consume(used);
  if (result == h1::Step::kMore) return false;
  if (result == h1::Step::kFault) {
    refuse(reader_.fault());
    return false;
  }
  begin_exchange();
  return true;
}

void H1Session::begin_exchange() {
  RequestHead& head = reader_.head();
  head.tls = link_.tls();
  head.peer = link_.peer();
  context_.count(context_.counters.requests);
  context_.exchanges.fetch_add(1, std::memory_order_relaxed);
  body_.reset(reader_.framing());
  body_broken_ = false;
  continue_due_ = reader_.expects_continue() && !body_.done();
  keep_ = reader_.keep_alive();
  discarded_ = 0;
  state_ = State::kExchange;
  since_ = loop_->now();
  exchange_ = std::make_shared<H1Exchange>(loop_, std::move(head), context_.bodies, this);
  run_handler(context_, exchange_);
}

bool H1Session::read_body() {
  if (!exchange_ || !exchange_->wants_body() || body_broken_) return false;
  const auto exchange = exchange_;  // its call-backs may finish it
  if (body_.done()) {
    exchange->body_ended();
    return true;
  }
  std::size_t used = 0;
  std::string_view piece;
  const std::string_view input = link_.input();
  if (continue_due_ && input.empty())
    link_.write(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
  continue_due_ = false;
  const h1::Step result = body_.read(input, used, piece);
  if (used > 0) since_ = loop_->now();
  link_.consume(used);  // the bytes stay where they are until the next read
  if (!piece.empty() && exchange->hold(piece.size())) exchange->deliver(piece);
  if (!link_.open()) return false;
  if (result == h1::Step::kFault) {
    body_fault();
    return false;
  }
  return used > 0 || result == h1::Step::kDone;
}

void H1Session::body_wanted() {
  since_ = loop_->now();
  link_.wake();
}

void H1Session::body_fault() {
  const h1::Fault& fault = body_.fault();
  context_.count(context_.counters.protocol_errors);
  body_broken_ = true;
  if (!exchange_) return link_.finish();
  const Code code = fault.status == 413 ? Code::kResourceExhausted : Code::kInvalidArgument;
  const auto exchange = exchange_;
  exchange->body_failed({code, std::string(fault.message), std::string(fault.code)});
}

bool H1Session::discard_body() {
  std::size_t used = 0;
  std::string_view piece;
  const h1::Step result = body_.read(link_.input(), used, piece);
  link_.consume(used);
  discarded_ += used;
  if (used > 0) since_ = loop_->now();
  if (result == h1::Step::kDone) {
    next_request();
    return true;
  }
  if (result == h1::Step::kFault || discarded_ > kDiscardBytes) {
    link_.finish();
    return false;
  }
  return used > 0;
}

void H1Session::next_request() {
  reader_.reset();
  head_begun_ = false;
  state_ = State::kHead;
  since_ = loop_->now();
}

// --- H1Session: what goes out

bool H1Session::may_keep(const Headers& headers) const {
  if (!keep_ || body_broken_ || context_.is_draining()) return false;
  bool close = false;
  text::for_each_element(headers.get("connection"), [&](std::string_view option) {
    close = close || text::equal_ignoring_case(option, "close");
  });
  if (close) return false;
  // A client that waits for 100 may send its body or not: the next bytes could be either.
  return body_.done() ||
         (!continue_due_ && (body_.chunked() || body_.remaining() <= kDiscardBytes));
}

void H1Session::end_head(std::string& out) {
  out += "date: ";
  out += loop_->date();
  out += "\r\n";
  if (!keep_) {
    out += "connection: close\r\n";
  } else if (reader_.http10()) {
    out += "connection: keep-alive\r\n";
  }
  out += "\r\n";
}

void H1Session::respond(Response&& response) {
  const bool to_head = exchange_->head().method == "HEAD";
  keep_ = may_keep(response.headers);
  std::string& out = link_.tail();
  h1::append_response_head(out, response.status, response.headers);
  if (!bodiless(response.status)) {
    std::uint64_t length = response.body.size();
    if (to_head && length == 0) length = declared_length(response.headers).value_or(0);
    append_length(out, length);
  }
  end_head(out);
  link_.wrote();
  if (!to_head && !bodiless(response.status)) link_.write(std::move(response.body));
  complete();
}

void H1Session::start(const ResponseHead& head) {
  keep_ = may_keep(head.headers);
  const auto length = declared_length(head.headers);
  if (bodiless(head.status) || exchange_->head().method == "HEAD") {
    shape_ = Shape::kNoBody;
  } else if (length) {
    shape_ = Shape::kLength;
    left_to_write_ = *length;
  } else if (reader_.http10()) {
    shape_ = Shape::kUntilClose;
    keep_ = false;
  } else {
    shape_ = Shape::kChunked;
  }
  std::string& out = link_.tail();
  h1::append_response_head(out, head.status, head.headers);
  if (length && !bodiless(head.status)) append_length(out, *length);
  if (shape_ == Shape::kChunked) out += "transfer-encoding: chunked\r\n";
  end_head(out);
  link_.wrote();
}

void H1Session::write(std::string_view bytes) {
  if (bytes.empty()) return;
  switch (shape_) {
    case Shape::kNoBody:
      return;
    case Shape::kLength:
      SERIN_CHECK(bytes.size() <= left_to_write_);
      left_to_write_ -= bytes.size();
      return link_.write(bytes);
    case Shape::kUntilClose:
      return link_.write(bytes);
    case Shape::kChunked:
      break;
  }
  std::string& out = link_.tail();
  h1::append_chunk_size(out, bytes.size());
  out += bytes;
  out += "\r\n";
  link_.wrote();
}

void H1Session::finish(const Headers& trailers) {
  if (shape_ == Shape::kLength && left_to_write_ > 0) return abort();
  if (shape_ == Shape::kChunked) {
    std::string& out = link_.tail();
    out += "0\r\n";
    for (const auto& [name, value] : trailers) {
      out += name;
      out += ": ";
      out += value;
      out += "\r\n";
    }
    out += "\r\n";
    link_.wrote();
  }
  complete();
}

void H1Session::abort() {
  const auto exchange = std::exchange(exchange_, nullptr);
  exchange->done();
  context_.exchange_ended();
  // The end of a connection ends such a body too: only an error says that it is broken.
  if (shape_ == Shape::kUntilClose) return link_.reset();
  link_.finish();
}

void H1Session::complete() {
  const auto exchange = std::exchange(exchange_, nullptr);
  exchange->done();
  context_.exchange_ended();
  shape_ = Shape::kNoBody;
  if (!keep_) return link_.finish();
  if (body_.done()) {
    next_request();
  } else {
    state_ = State::kDiscard;
    since_ = loop_->now();
  }
  link_.wake();
}

void H1Session::refuse(const h1::Fault& fault) {
  context_.count(context_.counters.protocol_errors);
  keep_ = false;
  const std::string body = refusal_body(fault.status, fault.code, fault.message);
  std::string& out = link_.tail();
  h1::append_response_head(out, fault.status, {{"content-type", "application/json"}});
  append_length(out, body.size());
  end_head(out);
  out += body;
  link_.wrote();
  link_.finish();
}

// --- H1Session: time and ends

void H1Session::on_flush() {
  process();
  if (exchange_ && exchange_->waits_for_drain() && link_.unsent() == 0) {
    const auto exchange = exchange_;
    exchange->drained();
  }
}

void H1Session::on_drained() {
  if (exchange_) {
    const auto exchange = exchange_;
    exchange->drained();
  }
  link_.wake();  // requests sent ahead may wait for the output
}

bool H1Session::draining_idle() const {
  return context_.is_draining() && loop_->now() - since_ > context_.limits.drain_grace;
}

void H1Session::on_tick() {
  const ServerLimits& limits = context_.limits;
  const auto waited = loop_->now() - since_;
  switch (state_) {
    case State::kHead:
      if (!head_begun_) {
        if (waited > limits.idle_timeout || draining_idle()) link_.finish();
      } else if (waited > limits.header_timeout && link_.unsent() <= limits.unsent_bytes) {
        refuse({408, "slow_client", "the request's head did not come in time"});
      }
      return;
    case State::kExchange:
      if (!exchange_->wants_body() || body_.done() || body_broken_ || waited <= limits.body_timeout)
        return;
      body_broken_ = true;
      {
        const auto exchange = exchange_;
        exchange->body_failed(
            {Code::kDeadlineExceeded, "the request's body did not come in time", "slow_client"});
      }
      return;
    case State::kDiscard:
      if (waited > limits.body_timeout) link_.finish();
      return;
  }
}

void H1Session::on_closed(LinkEnd) {
  if (const auto exchange = std::exchange(exchange_, nullptr)) {
    exchange->detach();
    exchange->lost();
    context_.exchange_ended();
  }
  context_.tell_drain();
}

}  // namespace serin::net
