// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include "net/http/client_call.h"
#include "net/http/h2_frames.h"

namespace serin::net {

namespace {

constexpr std::uint32_t kStreamWindow = 1024 * 1024;
constexpr std::int32_t kConnectionWindow = 16 * 1024 * 1024;
constexpr std::size_t kOutputAhead = 256 * 1024;
constexpr std::size_t kMostStreams = 100;

struct H2ClientStream {
  std::shared_ptr<ClientCall> call;
  std::size_t body_sent = 0;
  bool deferred = false;  // nghttp2 waits for resume_data
  std::string held;       // came while the call was paused; its window is not given back
  std::size_t head_bytes = 0;
  ResponseHead head;
  Headers trailers;
  bool head_given = false;
  bool ended = false;                   // the whole answer came
  std::optional<std::uint32_t> closed;  // the stream's end, which waits behind `held`
};

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

class H2ClientSession final : public ClientSession {
 public:
  H2ClientSession(Link& link, ClientSessionOwner& owner)
      : link_(link), owner_(owner), idle_since_(link.loop().now()), session_(create(this)) {}
  ~H2ClientSession() override { nghttp2_session_del(session_); }

  std::size_t room() const override;
  std::size_t load() const override { return streams_.size(); }
  bool http2() const override { return true; }
  void begin(const std::shared_ptr<ClientCall>& call) override;
  void cancel(ClientCall& call) override;
  void resume(ClientCall& call) override;
  void body_grew(ClientCall& call) override;
  // What is framed and not yet sent belongs to all streams.
  std::size_t unsent(const ClientCall&) const override { return 0; }
  void close() override {
    closing_ = true;
    link_.close();
  }

  void on_open() override;
  void on_bytes() override;
  void on_flush() override;
  void on_drained() override { link_.wake(); }
  void on_tick() override;
  void on_closed(LinkEnd end) override;

 private:
  static nghttp2_session* create(H2ClientSession* self);
  static H2ClientSession& self(void* user) { return *static_cast<H2ClientSession*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) {
    return static_cast<int>(h2_guarded([&] {
      return self(user).take_field(frame->hd.stream_id, view(name, name_size),
                                   view(value, value_size));
    }));
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return static_cast<int>(h2_guarded([&] {
      self(user).take_frame(*frame);
      return 0;
    }));
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* user) {
    return static_cast<int>(h2_guarded([&] {
      self(user).take_data(id, view(bytes, size));
      return 0;
    }));
  }
  static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    return static_cast<int>(h2_guarded([&] {
      self(user).close_stream(id, code);
      return 0;
    }));
  }
  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size,
                           std::uint32_t* flags, nghttp2_data_source* source, void* user);
  ssize_t take_body(H2ClientStream& stream, std::uint8_t* into, std::size_t size,
                    std::uint32_t& flags);

  H2ClientStream* find(std::int32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second.get();
  }
  int take_field(std::int32_t id, std::string_view name, std::string_view value);
  void take_frame(const nghttp2_frame& frame);
  void take_data(std::int32_t id, std::string_view bytes);
  void close_stream(std::int32_t id, std::uint32_t code);
  void deliver_resumed();
  void check_life(Instant now);
  void reset(std::int32_t id) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    link_.wake();
  }

  Link& link_;
  ClientSessionOwner& owner_;
  Instant idle_since_;
  Instant silent_since_;  // the last byte from the server, or the first request after an idle time
  std::optional<Instant> asked_;  // whether it lives, and it has said nothing since
  nghttp2_session* session_;
  std::unordered_map<std::int32_t, std::unique_ptr<H2ClientStream>> streams_;
  std::vector<std::int32_t> resumed_;
  std::vector<std::shared_ptr<ClientCall>> drained_;
  std::size_t begun_ = 0;
  bool closing_ = false;  // no further streams
};

nghttp2_session* H2ClientSession::create(H2ClientSession* user) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_session* session = nullptr;
  nghttp2_session_client_new2(&session, callbacks, user, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

std::size_t H2ClientSession::room() const {
  if (closing_ || !link_.open()) return 0;
  const std::size_t allowed =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  const std::size_t most = std::min(allowed, kMostStreams);
  return streams_.size() < most ? most - streams_.size() : 0;
}

void H2ClientSession::on_open() {
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
       static_cast<std::uint32_t>(owner_.limits().header_bytes)},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  link_.wake();
}

void H2ClientSession::begin(const std::shared_ptr<ClientCall>& call) {
  const ClientRequest& request = call->request;
  auto stream = std::make_unique<H2ClientStream>();
  stream->call = call;
  std::vector<nghttp2_nv> fields;
  fields.push_back(h2_field(":method", request.method));
  fields.push_back(h2_field(":scheme", call->request.endpoint->tls ? "https" : "http"));
  const std::string authority(
      request.headers.find("host").value_or(call->request.endpoint->authority));
  fields.push_back(h2_field(":authority", authority));
  fields.push_back(h2_field(":path", call->target()));
  append_h2_fields(fields, request.headers, true);
  const bool has_body = request.streamed || !call->body().empty();
  const std::string length = std::to_string(call->body().size());
  if (has_body && !request.streamed) fields.push_back(h2_field("content-length", length));
  nghttp2_data_provider provider{{.ptr = stream.get()}, read_body};
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                                 has_body ? &provider : nullptr, nullptr);
  if (id < 0) {  // the stream numbers are used up
    closing_ = true;
    return owner_.lost(call, {Code::kUnavailable, "the connection can carry no more requests"});
  }
  if (streams_.empty()) {
    silent_since_ = link_.loop().now();
    asked_.reset();
  }
  call->session = this;
  call->sent = true;
  call->stream_id = id;
  streams_.emplace(id, std::move(stream));
  const std::size_t most = request.host.requests_per_connection;
  if (most > 0 && ++begun_ >= most) closing_ = true;
  link_.wake();
}

void H2ClientSession::cancel(ClientCall& call) {
  H2ClientStream* stream = find(call.stream_id);
  if (stream == nullptr || stream->call.get() != &call) return;
  stream->call = nullptr;
  if (const auto code = stream->closed) return close_stream(call.stream_id, *code);
  reset(call.stream_id);
}

void H2ClientSession::resume(ClientCall& call) {
  resumed_.push_back(call.stream_id);
  link_.wake();
}

void H2ClientSession::body_grew(ClientCall& call) {
  H2ClientStream* stream = find(call.stream_id);
  if (stream == nullptr) return;
  if (std::exchange(stream->deferred, false)) nghttp2_session_resume_data(session_, call.stream_id);
  link_.wake();
}

ssize_t H2ClientSession::read_body(nghttp2_session*, std::int32_t, std::uint8_t* into,
                                   std::size_t size, std::uint32_t* flags,
                                   nghttp2_data_source* source, void* user) {
  auto& stream = *static_cast<H2ClientStream*>(source->ptr);
  if (!stream.call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  return h2_guarded([&] { return self(user).take_body(stream, into, size, *flags); });
}

ssize_t H2ClientSession::take_body(H2ClientStream& stream, std::uint8_t* into, std::size_t size,
                                   std::uint32_t& flags) {
  ClientCall& call = *stream.call;
  if (call.request.streamed) {
    std::size_t filled = 0;
    while (filled < size && !call.out.empty()) {
      const std::string_view block = call.out.front().substr(0, size - filled);
      std::memcpy(into + filled, block.data(), block.size());
      filled += block.size();
      call.out.drop(block.size());
    }
    if (filled > 0) call.out_taken = true;
    if (call.out.empty() && call.drained_call) drained_.push_back(stream.call);
    if (call.out.empty() && call.out_ended) flags |= NGHTTP2_DATA_FLAG_EOF;
    if (filled > 0 || call.out_ended) return static_cast<ssize_t>(filled);
    stream.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  const std::string_view body = call.body();
  const std::size_t bytes = std::min(size, body.size() - stream.body_sent);
  std::memcpy(into, body.data() + stream.body_sent, bytes);
  stream.body_sent += bytes;
  if (stream.body_sent == body.size()) flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(bytes);
}

int H2ClientSession::take_field(std::int32_t id, std::string_view name, std::string_view value) {
  H2ClientStream* stream = find(id);
  if (stream == nullptr) return 0;
  stream->head_bytes += name.size() + value.size() + 32;
  if (stream->head_bytes > owner_.limits().header_bytes)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (stream->head_given) {
    stream->trailers.add_checked(std::string(name), std::string(value));
  } else if (name == ":status") {
    stream->head = {};
    stream->head.status = 0;  // nghttp2 has checked that these are three digits
    for (const char c : value)
      stream->head.status = static_cast<std::uint16_t>(stream->head.status * 10 + (c - '0'));
  } else {
    stream->head.headers.add_checked(std::string(name), std::string(value));
  }
  return 0;
}

void H2ClientSession::take_frame(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_GOAWAY) {
    closing_ = true;
    return;
  }
  H2ClientStream* stream = find(frame.hd.stream_id);
  if (stream == nullptr) return;
  if (frame.hd.type == NGHTTP2_HEADERS && !stream->head_given && stream->head.status >= 200) {
    stream->head_given = true;
    if (stream->call) {
      stream->call->answered = true;
      const auto call = stream->call;
      call->head(std::move(stream->head));
    }
  }
  const bool body = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
  if (body && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->ended = true;
}

void H2ClientSession::take_data(std::int32_t id, std::string_view bytes) {
  // The connection's window is given back at once: a stream whose reader is held up holds up no
  // other, and what it may hold is bounded by its own window.
  nghttp2_session_consume_connection(session_, bytes.size());
  H2ClientStream* stream = find(id);
  if (stream == nullptr || !stream->call) return;
  const auto call = stream->call;
  if (call->paused || !stream->held.empty()) {
    stream->held += bytes;
    return;
  }
  nghttp2_session_consume_stream(session_, id, bytes.size());
  if (call->bytes(bytes)) return;
  stream->call = nullptr;
  reset(id);
}

// What came while calls were paused, and the ends that were held up behind it.
void H2ClientSession::deliver_resumed() {
  for (const std::int32_t id : std::exchange(resumed_, {})) {
    H2ClientStream* stream = find(id);
    if (stream == nullptr || !stream->call || stream->call->paused) continue;
    const auto call = stream->call;
    const std::string bytes = std::exchange(stream->held, {});
    if (!stream->closed) nghttp2_session_consume_stream(session_, id, bytes.size());
    if (!bytes.empty() && !call->bytes(bytes)) {
      stream->call = nullptr;
      if (!stream->closed) reset(id);
    }
    if (stream->closed) close_stream(id, *stream->closed);
  }
}

void H2ClientSession::close_stream(std::int32_t id, std::uint32_t code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  if (!found->second->held.empty() && found->second->call) {
    found->second->closed = code;  // its reader has not seen all of it yet
    return;
  }
  const std::unique_ptr<H2ClientStream> stream = std::move(found->second);
  streams_.erase(found);
  if (streams_.empty()) idle_since_ = link_.loop().now();
  if (const auto call = stream->call) {
    call->session = nullptr;
    if (stream->ended) {
      call->end(stream->trailers);
    } else if (code == NGHTTP2_REFUSED_STREAM) {
      call->sent = false;  // RFC 9113, section 8.7: the server has not looked at it
      owner_.lost(call, {Code::kUnavailable, "the server refused the stream"});
    } else {
      owner_.lost(call, {Code::kAborted, "the server broke the stream off (" +
                                             std::string(nghttp2_http2_strerror(code)) + ")"});
    }
  }
  if (room() > 0) owner_.has_room(*this);
}

void H2ClientSession::on_bytes() {
  silent_since_ = link_.loop().now();
  asked_.reset();
  while (link_.open() && !link_.input().empty()) {
    const std::string_view input = link_.input();
    const ssize_t used = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    if (used < 0) return close();
    link_.consume(static_cast<std::size_t>(used));
  }
  link_.wake();
}

void H2ClientSession::on_flush() {
  deliver_resumed();
  while (link_.open() && link_.unsent() < kOutputAhead) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) return close();
    if (size == 0) break;
    link_.write(view(bytes, static_cast<std::size_t>(size)));
  }
  for (const auto& call : std::exchange(drained_, {})) call->drained();
  const bool over =
      nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (link_.open() && (over || (closing_ && streams_.empty())) && link_.unsent() == 0) close();
}

void H2ClientSession::on_tick() {
  const Instant now = link_.loop().now();
  if (streams_.empty()) {
    if (now - idle_since_ > owner_.limits().idle_timeout) close();
  } else if (owner_.limits().silence.count() > 0) {
    check_life(now);
  }
}

// What a peer that went away without a word leaves behind is a connection on which nothing comes,
// and whatever is sent is lost.
void H2ClientSession::check_life(Instant now) {
  const auto silence = owner_.limits().silence;
  if (now - asked_.value_or(silent_since_) <= silence) return;
  // However long it was silent: this loop may have been held up, and the server has not been asked.
  if (asked_) return close();
  asked_ = now;
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  link_.wake();
}

void H2ClientSession::on_closed(LinkEnd end) {
  closing_ = true;
  const auto streams = std::move(streams_);
  streams_.clear();
  owner_.ended(*this);
  for (const auto& [id, stream] : streams) {
    const auto call = stream->call;
    if (!call) continue;
    call->session = nullptr;
    if (!stream->held.empty() && call->bytes(stream->held) && stream->closed && stream->ended)
      call->end(stream->trailers);
    if (end == LinkEnd::kStopped) {
      call->fail({Code::kCancelled, "the client was closed"});
    } else {
      owner_.lost(call, {Code::kAborted, "the connection broke before the whole answer had come"});
    }
  }
}

}  // namespace

std::unique_ptr<ClientSession> make_h2_client_session(Link& link, ClientSessionOwner& owner) {
  return std::make_unique<H2ClientSession>(link, owner);
}

}  // namespace serin::net
