// SPDX-License-Identifier: Apache-2.0
// One HTTP/2 connection of the server and its streams. For http/h2_session.cc and its like; owned
// by the Link.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "net/http/base_exchange.h"
#include "net/http/h1_codec.h"
#include "net/http/h2_ended_streams.h"
#include "net/http/h2_idle_frames.h"
#include "net/http/server_context.h"
#include "net/io/link.h"
#include "net/io/out_queue.h"

namespace serin::net {

class H2Session;
struct H2Stream;

class H2Exchange final : public BaseExchange {
 public:
  H2Exchange(std::shared_ptr<Loop> loop, RequestHead&& head, std::shared_ptr<BodyBudget> bodies,
             H2Session* session, H2Stream* stream)
      : BaseExchange(std::move(loop), std::move(head), std::move(bodies)),
        session_(session),
        stream_(stream) {}

  void respond(Response response) override;
  void start(ResponseHead head) override;
  void write(std::string_view bytes) override;
  void finish(const Headers& trailers) override;
  void abort() override;
  std::size_t unsent() const override;
  void on_drained(std::function<void()> call) override;

  // --- for the session
  void detach() {
    session_ = nullptr;
    stream_ = nullptr;
  }
  void done();

 private:
  void body_wanted() override;
  bool answering() const override { return started_; }

  H2Session* session_;  // both null once the answer is finished or the client gone
  H2Stream* stream_;
  bool started_ = false;
};

struct H2Stream {
  std::int32_t id = 0;
  RequestHead head;  // until the exchange has it
  std::shared_ptr<H2Exchange> exchange;
  std::size_t head_bytes = 0;
  std::size_t fields = 0;
  bool oversized = false;
  bool to_head = false;
  bool grpc = false;  // its messages are bounded one by one, and may be far apart
  bool expects_continue = false;
  bool request_ended = false;
  bool drop_body = false;
  std::string in;  // received, its window not yet given back
  std::uint64_t body_bytes = 0;
  Instant since;  // of the last piece of the body, or of the wish for one

  OutQueue out;
  bool out_ended = false;
  bool no_output = false;
  bool deferred = false;  // nghttp2 waits for resume_data
  Headers trailers;
  Instant since_taken;
  std::optional<Instant> answered_at;  // while the client may still send a body that nobody needs
};

class H2Session final : public LinkUser {
 public:
  H2Session(Link& link, ServerContext& context);
  ~H2Session() override;

  void on_open() override;
  void on_bytes() override;
  void on_flush() override;
  void on_drained() override;
  void on_tick() override;
  void on_closed(LinkEnd end) override;

  // --- for its exchanges
  void respond(H2Stream& stream, Response&& response);
  void start(H2Stream& stream, const ResponseHead& head);
  void write(H2Stream& stream, std::string_view bytes);
  void finish(H2Stream& stream, const Headers& trailers);
  void abort(H2Stream& stream);
  void body_wanted(H2Stream& stream);
  void drain_wanted(H2Stream& stream);

 private:
  struct Callbacks;

  H2Stream* find(std::int32_t id);
  void open_stream(std::int32_t id);
  int take_field(std::int32_t id, bool of_request, std::string_view name, std::string_view value);
  void take_frame(const nghttp2_frame& frame);
  void take_data(std::int32_t id, std::string_view bytes);
  void check_ended(std::int32_t id);
  void idle_frame();
  void blame();
  void note_reset(std::uint32_t code);
  void note_sent(const nghttp2_frame& frame);
  void begin_exchange(H2Stream& stream);
  void pump_touched();
  void pump(H2Stream& stream);
  bool submit(H2Stream& stream, std::uint16_t status, const Headers& headers, bool with_body,
              std::optional<std::uint64_t> length);
  void resume(H2Stream& stream);
  void complete(H2Stream& stream);
  static ssize_t read_output(nghttp2_session* session, std::int32_t id, std::uint8_t* into,
                             std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                             void* user);
  ssize_t take_output(H2Stream& stream, std::span<std::uint8_t> into, std::uint32_t& flags);
  void send_frames();
  void tell_drained();
  void close_stream(std::int32_t id);
  bool body_late(const H2Stream& stream, Instant now) const;
  bool output_late(const H2Stream& stream, Instant now) const;
  void stop_body(H2Stream& stream);
  void cut(H2Stream& stream, Instant now);
  void terminate();
  void drain_step(Instant now);

  Link& link_;
  ServerContext& context_;
  std::shared_ptr<Loop> loop_;
  nghttp2_session* session_;
  std::unordered_map<std::int32_t, std::unique_ptr<H2Stream>> streams_;
  std::vector<std::int32_t> touched_;  // something came for them, or is wanted
  std::vector<std::int32_t> scratch_;
  std::vector<std::int32_t> drained_;
  H2EndedStreams ended_;
  bool in_head_ = false;
  bool terminated_ = false;
  bool blamed_ = false;
  bool noticed_ = false;
  bool goaway_sent_ = false;
  Instant head_since_;
  Instant idle_since_;
  Instant noticed_at_;
  H2IdleFrames idle_frames_;
};

}  // namespace serin::net
