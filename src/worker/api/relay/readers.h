// SPDX-License-Identifier: Apache-2.0
// The kinds of answer that a relayed Call can have.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "worker/api/relay/answer.h"
#include "worker/api/relay/relay.h"

namespace serin::worker::api {

// Gathers the whole answer and hands it over; an Error from `done` is answered instead.
class WholeReader final : public AnswerReader {
 public:
  using Done = std::function<Status(const net::ResponseHead& head, std::string body)>;
  WholeReader(std::shared_ptr<Call> call, Done done)
      : call_(std::move(call)), done_(std::move(done)) {}

  Status head(const net::ResponseHead& head) override;
  Status bytes(std::string_view piece) override;
  Status end() override { return done_(head_, std::move(body_)); }
  void fail(const Error& error) override { call_->fail(error); }

 private:
  std::shared_ptr<Call> call_;
  Done done_;
  net::ResponseHead head_;
  std::string body_;
};

// Passes a medium on as it comes. `kind`: what its type must begin with ("image/"); empty: any.
class MediumReader final : public AnswerReader {
 public:
  MediumReader(std::shared_ptr<Call> call, std::string kind)
      : call_(std::move(call)), kind_(std::move(kind)) {}

  Status head(const net::ResponseHead& head) override;
  Status bytes(std::string_view piece) override;
  Status end() override;
  void fail(const Error& error) override { call_->break_off(error); }

 private:
  std::shared_ptr<Call> call_;
  std::string kind_;
};

// Reads server-sent events one by one. `each` gets those that are well-formed; where `wants_end`, a
// stream without its last event is a broken one. Counts tokens and their times.
class EventReader final : public AnswerReader {
 public:
  using Each = std::function<void(const RelayedEvent& event)>;
  EventReader(std::shared_ptr<Call> call, bool wants_end, Each each)
      : call_(std::move(call)), wants_end_(wants_end), each_(std::move(each)) {}

  Status head(const net::ResponseHead& head) override;
  Status bytes(std::string_view piece) override;
  Status end() override;
  void fail(const Error& error) override { call_->fail_stream(error); }

 private:
  void count(const RelayedEvent& event);

  std::shared_ptr<Call> call_;
  const bool wants_end_;
  Each each_;
  net::SseParser parser_;
  Instant last_token_{};
  bool ended_ = false;
};

void count_usage(Call& call, const json::object& answer);
// "application/json" of "application/json; charset=utf-8".
std::string_view essence(std::string_view content_type);

}  // namespace serin::worker::api
