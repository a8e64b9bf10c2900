// SPDX-License-Identifier: Apache-2.0
#include "net/http/h2_session.h"

#include <utility>

#include "net/http/h2_exchange.h"
#include "net/http/h2_frames.h"
#include "net/http/h2_head.h"
#include "net/http/text.h"

namespace serin::net {

namespace {

constexpr std::uint32_t kStreamWindow = 128 * 1024;
constexpr std::int32_t kConnectionWindow = 1024 * 1024;
constexpr std::size_t kOutputAhead = 256 * 1024;  // framed and not yet sent
constexpr std::size_t kInputAtOnce = 8 * 1024;
// The body of a request that was answered before it came is taken and dropped for so long: clients
// that are asked to stop at once may drop the answer too (curl 7.88 does).
constexpr std::chrono::seconds kLinger{1};

// Streams that the client resets: so many at once, then so many a second (CVE-2023-44487).
constexpr std::uint64_t kResetBurst = 200;
constexpr std::uint64_t kResetRate = 33;

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

// nghttp2's call-backs, in C's calling convention.
struct H2Session::Callbacks {
  static H2Session& self(void* user) { return *static_cast<H2Session*>(user); }

  template <class Work>
  static int guarded(Work&& work) noexcept {
    return static_cast<int>(h2_guarded([&] {
      work();
      return 0;
    }));
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    self(user).head_since_ = self(user).loop_->now();
    self(user).in_head_ = true;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    return guarded([&] { self(user).open_stream(frame->hd.stream_id); });
  }
  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t, void* user) {
    return static_cast<int>(h2_guarded([&] {
      return self(user).take_field(frame->hd.stream_id, frame->headers.cat == NGHTTP2_HCAT_REQUEST,
                                   view(name, name_size), view(value, value_size));
    }));
  }
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return guarded([&] { self(user).take_frame(*frame); });
  }
  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                  std::size_t size, void* user) {
    return guarded([&] { self(user).take_data(id, view(bytes, size)); });
  }
  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    const bool opens = head->type == NGHTTP2_HEADERS && head->stream_id % 2 == 1;
    if (opens) self(user).check_ended(head->stream_id);
    return 0;
  }
  static int invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS) self(user).ended_.cut_off(frame->hd.stream_id);
    return 0;
  }
  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    return guarded([&] { self(user).close_stream(id); });
  }
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return guarded([&] { self(user).note_sent(*frame); });
  }

  static nghttp2_session* create(H2Session* user) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_stream_reset_rate_limit(option, kResetBurst, kResetRate);
    nghttp2_session* session = nullptr;
    nghttp2_session_server_new2(&session, callbacks, user, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return session;
  }
};

H2Session::H2Session(Link& link, ServerContext& context)
    : link_(link),
      context_(context),
      loop_(link.loop().shared_from_this()),
      session_(Callbacks::create(this)),
      idle_since_(loop_->now()),
      idle_frames_(loop_->now()) {}

H2Session::~H2Session() { nghttp2_session_del(session_); }

void H2Session::on_open() {
  const ServerLimits& limits = context_.limits;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
       static_cast<std::uint32_t>(limits.streams_per_connection)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.header_bytes)},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  link_.wake();
}

// --- what comes in

void H2Session::on_bytes() {
  while (link_.open() && !link_.finishing() && !link_.input().empty()) {
    const std::string_view input = link_.input().substr(0, kInputAtOnce);
    const ssize_t used = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    if (used < 0) {
      blame();
      send_frames();  // the GOAWAY that says why, where there is one
      return link_.finish();
    }
    link_.consume(static_cast<std::size_t>(used));
    pump_touched();
    send_frames();  // such as a GOAWAY, after which nothing of the rest is looked at
  }
  link_.wake();
}

H2Stream* H2Session::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void H2Session::open_stream(std::int32_t id) {
  auto stream = std::make_unique<H2Stream>();
  stream->id = id;
  stream->since = loop_->now();
  streams_.emplace(id, std::move(stream));
  ended_.opened(id);
}

void H2Session::check_ended(std::int32_t id) {
  if (find(id) != nullptr || !ended_.forbids(id) || std::exchange(terminated_, true)) return;
  nghttp2_session_terminate_session(session_, NGHTTP2_STREAM_CLOSED);
}

int H2Session::take_field(std::int32_t id, bool of_request, std::string_view name,
                          std::string_view value) {
  H2Stream* stream = find(id);
  if (stream == nullptr) return 0;
  // RFC 9113, section 6.5.2: 32 bytes more for each field.
  stream->head_bytes += name.size() + value.size() + 32;
  const ServerLimits& limits = context_.limits;
  if (stream->head_bytes > limits.header_bytes || ++stream->fields > limits.header_fields) {
    // Enough to be answered 431; a block that goes on much further is an attack on our time.
    stream->oversized = true;
    return stream->head_bytes > 4 * limits.header_bytes ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
  }
  if (!of_request) return 0;  // trailers are checked and dropped
  RequestHead& head = stream->head;
  if (name == ":method") {
    head.method = value;
  } else if (name == ":path") {
    head.target = value;
  } else if (name == ":authority") {
    head.authority = value;
  } else if (!name.starts_with(':')) {
    head.headers.add_checked(std::string(name), std::string(value));
  }
  return 0;
}

void H2Session::take_frame(const nghttp2_frame& frame) {
  H2Stream* stream = find(frame.hd.stream_id);
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      in_head_ = false;
      if (stream == nullptr) return;
      if (ends) stream->request_ended = true;
      if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) begin_exchange(*stream);
      touched_.push_back(frame.hd.stream_id);
      return;
    case NGHTTP2_DATA:
      if (frame.hd.length == 0 && !ends) idle_frame();
      if (stream == nullptr) return;
      if (ends) stream->request_ended = true;
      touched_.push_back(frame.hd.stream_id);
      return;
    case NGHTTP2_RST_STREAM:
      if (stream != nullptr) stream->request_ended = true;
      return;
    case NGHTTP2_PING:
    case NGHTTP2_PRIORITY:
      return idle_frame();
    case NGHTTP2_SETTINGS:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) == 0) idle_frame();
      return;
    default:
      return;
  }
}

// The connection broke the rules.
void H2Session::blame() {
  if (!std::exchange(blamed_, true)) context_.count(context_.counters.protocol_errors);
}

// A stream that we reset since its client broke a rule costs us what one costs that its client
// resets.
void H2Session::note_reset(std::uint32_t code) {
  const bool answered =
      code == NGHTTP2_NO_ERROR || code == NGHTTP2_CANCEL || code == NGHTTP2_INTERNAL_ERROR;
  if (answered) return;
  if (code != NGHTTP2_REFUSED_STREAM) context_.count(context_.counters.protocol_errors);
  idle_frame();
}

void H2Session::note_sent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_GOAWAY && frame.goaway.error_code != NGHTTP2_NO_ERROR) blame();
  if (frame.hd.type == NGHTTP2_RST_STREAM) note_reset(frame.rst_stream.error_code);
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!ends || (frame.hd.type != NGHTTP2_DATA && frame.hd.type != NGHTTP2_HEADERS)) return;
  if (H2Stream* stream = find(frame.hd.stream_id); stream != nullptr && !stream->request_ended)
    stream->answered_at = loop_->now();
}

void H2Session::idle_frame() {
  if (idle_frames_.take(loop_->now()) || std::exchange(terminated_, true)) return;
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void H2Session::begin_exchange(H2Stream& stream) {
  context_.count(context_.counters.requests);
  const h1::Fault fault =
      stream.oversized
          ? h1::Fault{431, "header_too_large", "the fields are larger than the server allows"}
          : check_h2_head(stream.head, context_.limits.body_bytes);
  if (fault.status != 0) {
    context_.count(context_.counters.protocol_errors);
    Response response;
    response.status = fault.status;
    response.headers.add("content-type", "application/json");
    response.body = refusal_body(fault.status, fault.code, fault.message);
    respond(stream, std::move(response));
    return;
  }
  RequestHead& head = stream.head;
  head.http2 = true;
  head.tls = link_.tls();
  head.peer = link_.peer();
  stream.grpc = head.headers.get("content-type").starts_with("application/grpc");
  stream.to_head = head.method == "HEAD";
  stream.expects_continue = text::equal_ignoring_case(head.headers.get("expect"), "100-continue");
  context_.exchanges.fetch_add(1, std::memory_order_relaxed);
  stream.exchange =
      std::make_shared<H2Exchange>(loop_, std::move(head), context_.bodies, this, &stream);
  const std::shared_ptr<Exchange> exchange = stream.exchange;
  run_handler(context_, exchange);
}

void H2Session::take_data(std::int32_t id, std::string_view bytes) {
  H2Stream* stream = find(id);
  // The connection's window is given back at once: a stream that nobody reads holds up no other,
  // and what it may hold is bounded by its own window.
  nghttp2_session_consume_connection(session_, bytes.size());
  if (stream == nullptr) return;
  stream->body_bytes += bytes.size();
  stream->since = loop_->now();
  if (!stream->exchange || stream->drop_body || !stream->exchange->hold(bytes.size())) {
    nghttp2_session_consume_stream(session_, id, bytes.size());
    return;
  }
  stream->in += bytes;
}

void H2Session::pump_touched() {
  while (!touched_.empty() && link_.open()) {
    scratch_.swap(touched_);
    for (const std::int32_t id : scratch_)
      if (H2Stream* stream = find(id)) pump(*stream);
    scratch_.clear();
  }
}

void H2Session::pump(H2Stream& stream) {
  const auto exchange = stream.exchange;
  if (!exchange || !exchange->wants_body()) return;
  if (!stream.grpc && stream.body_bytes > context_.limits.body_bytes) {
    stream.drop_body = true;
    stream.in.clear();
    exchange->body_failed(
        {Code::kResourceExhausted, "the body is larger than the server allows", "body_too_large"});
    return;
  }
  const std::int32_t id = stream.id;
  if (stream.in.empty() && !stream.request_ended) {
    if (std::exchange(stream.expects_continue, false)) {
      nghttp2_nv status = h2_field(":status", "100");
      nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, &status, 1, nullptr);
    }
    return;
  }
  if (!stream.in.empty()) {
    const std::string piece = std::exchange(stream.in, {});
    nghttp2_session_consume_stream(session_, id, piece.size());
    exchange->deliver(piece);
  }
  // The call-back may have ended the stream, paused it, or wanted no more.
  H2Stream* still = find(id);
  if (still == nullptr || !still->exchange) return;
  if (still->request_ended && still->in.empty() && exchange->wants_body()) exchange->body_ended();
}

void H2Session::body_wanted(H2Stream& stream) {
  stream.since = loop_->now();
  touched_.push_back(stream.id);
  link_.wake();
}

// --- what goes out

bool H2Session::submit(H2Stream& stream, std::uint16_t status, const Headers& headers,
                       bool with_body, std::optional<std::uint64_t> length) {
  char digits[8];
  const std::string status_text(
      digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%u", status)));
  const std::string length_text = length ? std::to_string(*length) : std::string();
  std::vector<nghttp2_nv> fields;
  fields.reserve(headers.size() + 3);
  fields.push_back(h2_field(":status", status_text));
  append_h2_fields(fields, headers, length.has_value());
  const std::string date(loop_->date());
  fields.push_back(h2_field("date", date));
  if (length) fields.push_back(h2_field("content-length", length_text));
  nghttp2_data_provider provider{{.ptr = &stream}, &H2Session::read_output};
  const int result = nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(),
                                             with_body ? &provider : nullptr);
  link_.wake();
  return result == 0;
}

void H2Session::respond(H2Stream& stream, Response&& response) {
  const bool bodiless = response.status < 200 || response.status == 204 || response.status == 304;
  std::optional<std::uint64_t> length;
  if (!bodiless && !response.body.empty()) length = response.body.size();
  const bool with_body = length.has_value() && !stream.to_head;
  stream.out_ended = true;
  if (with_body) stream.out.write(std::move(response.body));
  stream.since_taken = loop_->now();
  submit(stream, response.status, response.headers, with_body, length);
  complete(stream);
}

void H2Session::start(H2Stream& stream, const ResponseHead& head) {
  const bool bodiless = head.status < 200 || head.status == 204 || head.status == 304;
  stream.no_output = bodiless || stream.to_head;
  stream.since_taken = loop_->now();
  if (stream.no_output) stream.out_ended = true;
  submit(stream, head.status, head.headers, !stream.no_output, std::nullopt);
}

void H2Session::write(H2Stream& stream, std::string_view bytes) {
  if (stream.no_output || bytes.empty()) return;
  if (stream.out.empty()) stream.since_taken = loop_->now();
  stream.out.write(bytes);
  resume(stream);
}

void H2Session::finish(H2Stream& stream, const Headers& trailers) {
  if (!stream.no_output) {
    stream.out_ended = true;
    stream.trailers = trailers;
    resume(stream);
  }
  complete(stream);
}

void H2Session::abort(H2Stream& stream) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_INTERNAL_ERROR);
  link_.wake();
  complete(stream);
}

void H2Session::resume(H2Stream& stream) {
  if (std::exchange(stream.deferred, false)) nghttp2_session_resume_data(session_, stream.id);
  link_.wake();
}

void H2Session::complete(H2Stream& stream) {
  stream.drop_body = true;
  if (!stream.in.empty()) {
    nghttp2_session_consume_stream(session_, stream.id, stream.in.size());
    stream.in.clear();
  }
  const auto exchange = std::exchange(stream.exchange, nullptr);
  if (!exchange) return;
  exchange->done();
  context_.exchange_ended();
}

ssize_t H2Session::read_output(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size,
                               std::uint32_t* flags, nghttp2_data_source* source, void* user) {
  return h2_guarded([&] {
    return Callbacks::self(user).take_output(*static_cast<H2Stream*>(source->ptr), {into, size},
                                             *flags);
  });
}

ssize_t H2Session::take_output(H2Stream& stream, std::span<std::uint8_t> into,
                               std::uint32_t& flags) {
  std::size_t filled = 0;
  while (filled < into.size() && !stream.out.empty()) {
    const std::string_view block = stream.out.front().substr(0, into.size() - filled);
    std::copy(block.begin(), block.end(), into.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += block.size();
    stream.out.drop(block.size());
  }
  if (filled > 0) stream.since_taken = loop_->now();
  if (!stream.out.empty()) return static_cast<ssize_t>(filled);
  if (stream.out_ended) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream.trailers.size() > 0) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> fields;
      append_h2_fields(fields, stream.trailers, true);
      nghttp2_submit_trailer(session_, stream.id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(filled);
  }
  if (filled > 0) {
    drained_.push_back(stream.id);
    return static_cast<ssize_t>(filled);
  }
  stream.deferred = true;
  return NGHTTP2_ERR_DEFERRED;
}

void H2Session::send_frames() {
  while (link_.open() && link_.unsent() < kOutputAhead) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) return link_.close();
    if (size == 0) break;
    link_.write(view(bytes, static_cast<std::size_t>(size)));
  }
}

void H2Session::on_flush() {
  pump_touched();
  if (!link_.open()) return;
  send_frames();
  tell_drained();
  if (!link_.open() || link_.finishing()) return;
  const bool over =
      nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  const bool drained = goaway_sent_ && streams_.empty() && link_.unsent() < kOutputAhead;
  if (over || drained) link_.finish();
}

void H2Session::tell_drained() {
  for (const std::int32_t id : std::exchange(drained_, {})) {
    H2Stream* stream = find(id);
    if (stream == nullptr || !stream->exchange || !stream->out.empty()) continue;
    const auto exchange = stream->exchange;
    exchange->drained();
  }
}

void H2Session::on_drained() { link_.wake(); }  // room for more frames

void H2Session::drain_wanted(H2Stream& stream) {
  if (!stream.out.empty()) return;
  drained_.push_back(stream.id);
  link_.wake();
}

// --- time and ends

void H2Session::close_stream(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::unique_ptr<H2Stream> stream = std::move(found->second);
  streams_.erase(found);
  if (!stream->request_ended) ended_.cut_off(id);
  if (streams_.empty()) idle_since_ = loop_->now();
  const auto exchange = std::exchange(stream->exchange, nullptr);
  if (!exchange) return;
  exchange->detach();
  exchange->lost();
  context_.exchange_ended();
}

void H2Session::on_tick() {
  const ServerLimits& limits = context_.limits;
  const Instant now = loop_->now();
  if (in_head_ && now - head_since_ > limits.header_timeout) return terminate();
  if (streams_.empty() && now - idle_since_ > limits.idle_timeout) return terminate();
  if (context_.is_draining()) drain_step(now);
  std::vector<std::int32_t> late;
  for (const auto& [id, stream] : streams_) {
    if (body_late(*stream, now) || output_late(*stream, now)) late.push_back(id);
    if (stream->answered_at && now - *stream->answered_at > kLinger) stop_body(*stream);
  }
  for (const std::int32_t id : late)
    if (H2Stream* stream = find(id)) cut(*stream, now);
}

bool H2Session::body_late(const H2Stream& stream, Instant now) const {
  return stream.exchange && stream.exchange->wants_body() && !stream.grpc &&
         !stream.request_ended && stream.in.empty() &&
         now - stream.since > context_.limits.body_timeout;
}

bool H2Session::output_late(const H2Stream& stream, Instant now) const {
  return !stream.out.empty() && now - stream.since_taken > context_.limits.write_timeout;
}

// RFC 9113, section 8.1: asks the client for no more of a body that the answer did not need.
void H2Session::stop_body(H2Stream& stream) {
  stream.answered_at.reset();
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_NO_ERROR);
  link_.wake();  // close_stream() follows when it is sent
}

void H2Session::cut(H2Stream& stream, Instant now) {
  if (output_late(stream, now)) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
    link_.wake();
    return;  // close_stream() follows when it is sent
  }
  const auto exchange = stream.exchange;
  stream.drop_body = true;
  exchange->body_failed(
      {Code::kDeadlineExceeded, "the request's body did not come in time", "slow_client"});
}

void H2Session::terminate() {
  if (std::exchange(terminated_, true)) return link_.close();
  nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  link_.wake();
}

// RFC 9113, section 6.8: first a notice, so that requests on their way are served; then the last
// stream's number.
void H2Session::drain_step(Instant now) {
  if (!noticed_) {
    noticed_ = true;
    noticed_at_ = now;
    nghttp2_submit_shutdown_notice(session_);
    link_.wake();
  } else if (!goaway_sent_ && now - noticed_at_ > context_.limits.drain_grace) {
    goaway_sent_ = true;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                          nullptr, 0);
    link_.wake();
  } else if (goaway_sent_ && streams_.empty()) {
    link_.wake();
  }
}

void H2Session::on_closed(LinkEnd) {
  const auto streams = std::move(streams_);
  streams_.clear();
  for (const auto& [id, stream] : streams) {
    const auto exchange = std::exchange(stream->exchange, nullptr);
    if (!exchange) continue;
    exchange->detach();
    exchange->lost();
    context_.exchange_ended();
  }
  context_.tell_drain();
}

std::unique_ptr<LinkUser> make_h2_session(Link& link, ServerContext& context) {
  return std::make_unique<H2Session>(link, context);
}

}  // namespace serin::net
