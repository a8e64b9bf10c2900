// SPDX-License-Identifier: Apache-2.0
// What the exchanges of HTTP/1.1 and HTTP/2 have in common: who waits for the body, and who wants
// to know that the client is gone. The session that owns it calls the lower half; everything is on
// the connection's thread, but post() and the destructor.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http/body_budget.h"
#include "net/http/server.h"
#include "net/io/loop.h"

namespace serin::net {

class BaseExchange : public Exchange, public std::enable_shared_from_this<BaseExchange> {
 public:
  BaseExchange(std::shared_ptr<Loop> loop, RequestHead&& head, std::shared_ptr<BodyBudget> bodies)
      : loop_(std::move(loop)), head_(std::move(head)), share_(std::move(bodies)) {}

  const RequestHead& head() const final { return head_; }
  void read_body(std::function<void(Result<std::string>)> done) final;
  void read_pieces(std::function<bool(Result<std::string>)> piece) final;
  void pause_pieces(bool paused) final;
  void give_back(std::size_t bytes) final { share_.remove(bytes); }
  void abandon() final;
  void on_gone(std::function<void()> call) final;
  bool gone() const final { return gone_; }
  void post(std::function<void()> call) final;

  // --- for the session

  // Somebody waits for more of the body.
  bool wants_body() const { return reading_ != Reading::kNothing && !paused_; }
  // So much more of the body came. False: there is no room, nothing more is to be delivered, and
  // its reader will be told so.
  bool hold(std::size_t bytes);
  void deliver(std::string_view piece);
  void body_ended();
  void body_failed(Error error);
  void drained();  // unsent() has fallen to zero
  // The connection or stream is gone and the answer is not finished.
  void lost();

 protected:
  enum class Reading { kNothing, kWhole, kPieces };

  virtual void body_wanted() = 0;      // wants_body() has become true
  virtual bool answering() const = 0;  // respond() or start() was called

  void fail_soon(Error error);
  void give_up();
  void let_go();  // the answer is finished: nothing is called any more
  // The last resort: a call-back that throws leaves its request answered.
  template <class Call>
  void guarded(Call&& call) noexcept;

  std::shared_ptr<Loop> loop_;
  RequestHead head_;
  BodyShare share_;
  bool gone_ = false;
  bool finished_ = false;
  bool asked_ = false;  // for the body, once
  bool paused_ = false;
  bool refused_ = false;    // there was no room for it
  bool body_over_ = false;  // its end or failure was delivered
  Reading reading_ = Reading::kNothing;
  std::string body_;
  std::function<void(Result<std::string>)> whole_;
  std::function<bool(Result<std::string>)> piece_;
  std::function<void()> gone_call_;
  std::function<void()> drained_call_;
};

}  // namespace serin::net
