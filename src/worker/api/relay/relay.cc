// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/relay.h"

#include <algorithm>
#include <utility>

#include "worker/api/relay/answer.h"

namespace serin::worker::api {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kAnswerBytes = 256 * 1024 * 1024;  // of one answer, streamed or not
constexpr std::size_t kErrorBytes = 64 * 1024;           // read of an answer that is an error

}  // namespace

// One request under way. The HTTP client's call-backs come on its thread and are posted to the
// Call's, in order; everything else happens there.
class Relay::Passage : public std::enable_shared_from_this<Relay::Passage> {
 public:
  Passage(Relay& relay, std::shared_ptr<Call> call, std::shared_ptr<AnswerReader> reader)
      : relay_(relay), call_(std::move(call)), reader_(std::move(reader)) {}

  net::ResponseSink sink() {
    net::ResponseSink sink;
    const auto self = shared_from_this();
    sink.on_head = [self](net::ResponseHead head) {
      self->post([self, head = std::move(head)] { self->head(head); });
    };
    sink.on_bytes = [self](std::string_view piece) {
      self->post([self, bytes = std::string(piece)] { self->bytes(bytes); });
    };
    sink.on_end = [self] {
      self->post([self] { self->end(); });
      self->relay_.ended(self);
    };
    sink.on_error = [self](Error error) {
      self->post([self, error = std::move(error)] { self->fail(error_of_transport(error)); });
      self->relay_.ended(self);
    };
    return sink;
  }

  void fail(const Error& error) {
    if (std::exchange(done_, true)) return;
    call_->cancel();
    if (error.code == Code::kUnavailable) relay_.upstream_.look_now();
    if (!call_->gone()) reader_->fail(error);
  }

  void post(std::function<void()> then) { call_->post(std::move(then)); }

 private:
  void head(const net::ResponseHead& head) {
    if (over()) return;
    if (head.status < 300) return check(reader_->head(head));
    refused_ = head;
  }

  void bytes(std::string_view piece) {
    if (over()) return;
    received_ += piece.size();
    if (refused_) {
      refusal_ += piece.substr(0, kErrorBytes - refusal_.size());
    } else if (received_ > kAnswerBytes) {
      fail(bad_upstream("sent more than " + std::to_string(kAnswerBytes) + " bytes"));
    } else {
      check(reader_->bytes(piece));
    }
  }

  void end() {
    if (over()) return;
    if (refused_) return fail(error_of_answer(*refused_, refusal_));
    check(reader_->end());
    done_ = true;
  }

  bool over() const { return done_ || call_->over(); }
  void check(const Status& status) {
    if (!status) fail(status.error());
  }

  Relay& relay_;
  std::shared_ptr<Call> call_;
  std::shared_ptr<AnswerReader> reader_;
  std::optional<net::ResponseHead> refused_;
  std::string refusal_;
  std::size_t received_ = 0;
  bool done_ = false;
};

Status Relay::admit(Call& call, net::ClientRequest& request) const {
  if (call.context().draining)
    return fail(Error{
        Code::kUnavailable, "the worker is shutting down", "draining", {}, milliseconds(1000)});
  SERIN_TRY_ASSIGN(const auto wanted, net::requested_timeout(call.head()));
  milliseconds timeout = call.context().options.default_timeout;
  if (wanted) timeout = std::chrono::ceil<milliseconds>(*wanted);
  if (timeout.count() > 0) request.timeout = std::min(request.timeout, timeout);
  const UpstreamHealth health = upstream_.health();
  if (!health.up)
    return fail(Error{Code::kUnavailable,
                      "the upstream is not up: " + health.reason,
                      "upstream_unavailable",
                      {},
                      health.retry_after});
  return {};
}

void Relay::send(const std::shared_ptr<Call>& call, net::ClientRequest request,
                 std::shared_ptr<AnswerReader> reader) {
  if (const Status admitted = admit(*call, request); !admitted)
    return reader->fail(admitted.error());
  auto passage = std::make_shared<Passage>(*this, call, reader);
  {
    const std::lock_guard lock(mutex_);
    if (passages_.size() >= most_)
      return reader->fail({Code::kResourceExhausted,
                           std::to_string(most_) + " requests are under way",
                           "queue_full",
                           {},
                           milliseconds(1000)});
    passages_.insert(passage);
  }
  request.cancel = call->cancellation();
  const telemetry::SpanContext& trace = call->span().context();
  if (trace.valid()) request.headers.set("traceparent", telemetry::format_traceparent(trace));
  upstream_.client().stream(std::move(request), passage->sink());
}

void Relay::ended(const std::shared_ptr<Passage>& passage) {
  const std::lock_guard lock(mutex_);
  passages_.erase(passage);
  changed_.notify_all();
}

std::size_t Relay::under_way() const {
  const std::lock_guard lock(mutex_);
  return passages_.size();
}

bool Relay::drain(milliseconds at_most) {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, at_most, [this] { return passages_.empty(); })) return true;
  for (const auto& passage : passages_) {
    passage->post([passage] {
      passage->fail(
          {Code::kUnavailable, "the worker is shutting down", "draining", {}, milliseconds(1000)});
    });
  }
  return false;
}

}  // namespace serin::worker::api
