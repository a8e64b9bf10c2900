// SPDX-License-Identifier: Apache-2.0
#include "net/grpc/frame.h"

#include <limits>
#include <utility>

#include "base/check.h"

namespace serin::net::grpc {

namespace {

constexpr std::size_t kPrefix = 5;  // a flag and four bytes of length

std::optional<std::chrono::nanoseconds> unit_of(char letter) {
  using namespace std::chrono;
  switch (letter) {
    case 'H':
      return hours(1);
    case 'M':
      return minutes(1);
    case 'S':
      return seconds(1);
    case 'm':
      return milliseconds(1);
    case 'u':
      return microseconds(1);
    case 'n':
      return nanoseconds(1);
    default:
      return std::nullopt;
  }
}

class ExchangeCall final : public Call, public std::enable_shared_from_this<ExchangeCall> {
 public:
  using OnMessage = std::function<void(Result<std::optional<std::string>>)>;

  ExchangeCall(std::shared_ptr<Exchange> exchange, OnMessage on_message, std::size_t message_limit)
      : exchange_(std::move(exchange)), on_message_(std::move(on_message)), in_(message_limit) {}

  void listen() {
    exchange_->read_pieces([self = shared_from_this()](Result<std::string> piece) {
      return self->take(std::move(piece));
    });
  }

  void send(std::string_view message) override {
    SERIN_CHECK(!finished_);
    if (!std::exchange(started_, true)) exchange_->start({200, {{"content-type", content_type()}}});
    exchange_->write(frame(message));
  }

  void finish(const Status& status) override {
    SERIN_CHECK(!std::exchange(finished_, true));
    Headers trailers;
    trailers.add("grpc-status", std::to_string(status ? 0 : static_cast<int>(status.error().code)));
    if (!status && !status.error().message.empty())
      trailers.add("grpc-message", encode_message(status.error().message));
    if (started_) {
      exchange_->finish(trailers);
    } else {
      Response only{200, {{"content-type", content_type()}}, {}};
      for (const auto& [name, value] : trailers) only.headers.add(name, value);
      exchange_->respond(std::move(only));
    }
    on_message_ = nullptr;
  }

  Exchange& exchange() override { return *exchange_; }

 private:
  std::string_view content_type() const { return exchange_->head().headers.get("content-type"); }

  bool tell(Result<std::optional<std::string>> message, bool last) {
    // A copy: the call may finish within, which forgets it.
    const auto call = last ? std::exchange(on_message_, nullptr) : on_message_;
    if (call) call(std::move(message));
    return !last && on_message_ != nullptr;
  }

  bool take(Result<std::string> piece) {
    if (!on_message_) return false;
    if (!piece) return tell(fail(std::move(piece).error()), true);
    if (piece->empty()) {
      if (in_.empty()) return tell(std::nullopt, true);
      return tell(invalid("the stream ends in the middle of a message"), true);
    }
    in_.feed(*piece);
    while (true) {
      auto message = in_.next();
      if (!message) return tell(std::move(message), true);
      if (!message->has_value()) return true;
      exchange_->give_back(kPrefix);
      if (!tell(std::move(message), false)) return false;
    }
  }

  std::shared_ptr<Exchange> exchange_;
  OnMessage on_message_;  // empty after its last call, and once finished
  Deframer in_;
  bool started_ = false;
  bool finished_ = false;
};

}  // namespace

bool is_grpc(const RequestHead& head) {
  constexpr std::string_view kType = "application/grpc";
  const std::string_view type = head.headers.get("content-type");
  if (!head.http2 || head.method != "POST" || !type.starts_with(kType)) return false;
  const std::string_view rest = type.substr(kType.size());
  return rest.empty() || rest == "+proto" || rest.front() == ';';
}

Result<std::optional<std::chrono::nanoseconds>> timeout(const RequestHead& head) {
  const auto text = head.headers.find("grpc-timeout");
  if (!text) return std::nullopt;
  const auto unit = text->empty() ? std::nullopt : unit_of(text->back());
  const std::string_view digits = text->empty() ? *text : text->substr(0, text->size() - 1);
  const auto wrong = [&] {
    return invalid("grpc-timeout must be 1 to 8 digits and one of H, M, S, m, u, n; it is \"" +
                       std::string(*text) + "\"",
                   "grpc-timeout");
  };
  if (!unit || digits.empty() || digits.size() > 8) return wrong();
  std::int64_t count = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return wrong();
    count = count * 10 + (c - '0');
  }
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (count > kMost / unit->count()) return std::chrono::nanoseconds(kMost);
  return std::chrono::nanoseconds(count * unit->count());
}

std::string encode_message(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::string frame(std::string_view message) {
  SERIN_CHECK(message.size() <= std::numeric_limits<std::uint32_t>::max());
  std::string out;
  out.reserve(kPrefix + message.size());
  out += '\0';
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>((message.size() >> shift) & 0xff);
  out += message;
  return out;
}

Result<std::optional<std::string>> Deframer::next() {
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (rest.size() < kPrefix) return std::nullopt;
  // grpc-encoding is never offered, so a flag that is set breaks the protocol.
  if (rest[0] != '\0') return fail(Code::kUnimplemented, "compressed messages are not accepted");
  std::size_t size = 0;
  for (std::size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<unsigned char>(rest[i]);
  if (size > limit_)
    return fail(Code::kResourceExhausted, "the message has " + std::to_string(size) +
                                              " bytes; at most " + std::to_string(limit_) +
                                              " are allowed");
  if (rest.size() < kPrefix + size) return std::nullopt;
  std::string message(rest.substr(kPrefix, size));
  begin_ += kPrefix + size;
  if (begin_ == buffer_.size() || begin_ > 64 * 1024) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  return message;
}

std::shared_ptr<Call> Call::accept(
    std::shared_ptr<Exchange> exchange,
    std::function<void(Result<std::optional<std::string>>)> on_message, std::size_t message_limit) {
  auto call =
      std::make_shared<ExchangeCall>(std::move(exchange), std::move(on_message), message_limit);
  call->listen();
  return call;
}

}  // namespace serin::net::grpc
