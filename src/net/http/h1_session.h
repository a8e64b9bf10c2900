// SPDX-License-Identifier: Apache-2.0
// The server's side of an HTTP/1.1 connection: one exchange at a time, requests sent ahead wait in
// the read-ahead. Owned by its Link; everything is on the link's thread.
#pragma once

#include <memory>

#include "net/http/base_exchange.h"
#include "net/http/h1_codec.h"
#include "net/http/server_context.h"
#include "net/io/link.h"

namespace serin::net {

class H1Session;

class H1Exchange final : public BaseExchange {
 public:
  H1Exchange(std::shared_ptr<Loop> loop, RequestHead&& head, std::shared_ptr<BodyBudget> bodies,
             H1Session* session)
      : BaseExchange(std::move(loop), std::move(head), std::move(bodies)), session_(session) {}

  void respond(Response response) override;
  void start(ResponseHead head) override;
  void write(std::string_view bytes) override;
  void finish(const Headers& trailers) override;
  void abort() override;
  std::size_t unsent() const override;
  void on_drained(std::function<void()> call) override;

  // --- for the session
  void detach() { session_ = nullptr; }
  bool waits_for_drain() const { return drained_call_ != nullptr; }
  void done();

 private:
  void body_wanted() override;
  bool answering() const override { return started_; }

  H1Session* session_;  // null once the answer is finished or the client gone
  bool started_ = false;
};

class H1Session final : public LinkUser {
 public:
  H1Session(Link& link, ServerContext& context);
  ~H1Session() override;

  void on_bytes() override { process(); }
  void on_flush() override;
  void on_drained() override;
  void on_tick() override;
  void on_closed(LinkEnd end) override;

  // --- for its exchange
  Link& link() { return link_; }
  void respond(Response&& response);
  void start(const ResponseHead& head);
  void write(std::string_view bytes);
  void finish(const Headers& trailers);
  void abort();
  void body_wanted();

 private:
  enum class State { kHead, kExchange, kDiscard };
  enum class Shape { kNoBody, kLength, kChunked, kUntilClose };

  void process();
  bool step();
  bool read_head();
  bool read_body();
  bool discard_body();
  void begin_exchange();
  void complete();
  void next_request();
  void refuse(const h1::Fault& fault);
  void body_fault();
  bool may_keep(const Headers& headers) const;
  void end_head(std::string& out);
  bool draining_idle() const;

  Link& link_;
  ServerContext& context_;
  std::shared_ptr<Loop> loop_;
  h1::Limits limits_;
  h1::RequestReader reader_;
  h1::BodyReader body_;
  std::shared_ptr<H1Exchange> exchange_;
  State state_ = State::kHead;
  bool processing_ = false;
  bool head_begun_ = false;
  bool body_broken_ = false;
  bool continue_due_ = false;
  bool keep_ = true;
  Shape shape_ = Shape::kNoBody;
  std::uint64_t left_to_write_ = 0;
  std::uint64_t discarded_ = 0;
  Instant since_;  // of what is waited for
};

}  // namespace serin::net
