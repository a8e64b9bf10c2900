// SPDX-License-Identifier: Apache-2.0
#include "net/http/h2_exchange.h"

#include <utility>

#include "base/check.h"

namespace serin::net {

void H2Exchange::respond(Response response) {
  SERIN_CHECK(!std::exchange(started_, true));
  if (session_) session_->respond(*stream_, std::move(response));
}

void H2Exchange::start(ResponseHead head) {
  SERIN_CHECK(!std::exchange(started_, true));
  if (session_) session_->start(*stream_, head);
}

void H2Exchange::write(std::string_view bytes) {
  SERIN_CHECK(started_);
  if (session_) session_->write(*stream_, bytes);
}

void H2Exchange::finish(const Headers& trailers) {
  SERIN_CHECK(started_);
  if (session_) session_->finish(*stream_, trailers);
}

void H2Exchange::abort() {
  if (session_) session_->abort(*stream_);
}

std::size_t H2Exchange::unsent() const { return stream_ ? stream_->out.size() : 0; }

void H2Exchange::on_drained(std::function<void()> call) {
  if (!session_) return;
  drained_call_ = std::move(call);
  session_->drain_wanted(*stream_);
}

void H2Exchange::done() {
  detach();
  let_go();
}

void H2Exchange::body_wanted() {
  if (session_) session_->body_wanted(*stream_);
}

}  // namespace serin::net
