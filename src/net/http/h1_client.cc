// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "net/http/client_call.h"
#include "net/http/h1_codec.h"

namespace serin::net {

namespace {

// Of a body that comes in chunks, what is given to its reader at once, and one chunk more.
constexpr std::size_t kTogether = 16 * 1024;

class H1ClientSession final : public ClientSession {
 public:
  H1ClientSession(Link& link, ClientSessionOwner& owner)
      : link_(link),
        owner_(owner),
        // A streamed answer is not bounded; the call bounds one that is gathered.
        limits_{owner.limits().header_bytes, 512, ~std::uint64_t{0} >> 2},
        reader_(limits_),
        body_(limits_),
        idle_since_(link.loop().now()) {}

  std::size_t room() const override { return call_ || closing_ || !link_.open() ? 0 : 1; }
  std::size_t load() const override { return call_ ? 1 : 0; }
  bool http2() const override { return false; }

  void begin(const std::shared_ptr<ClientCall>& call) override;
  void cancel(ClientCall&) override {
    call_ = nullptr;
    close();
  }
  void resume(ClientCall&) override {
    link_.want_input(true);
    link_.wake();  // what was read ahead is looked at in on_flush()
  }
  void body_grew(ClientCall& call) override { write_pieces(call); }
  std::size_t unsent(const ClientCall&) const override { return link_.unsent(); }
  void close() override {
    closing_ = true;
    link_.close();
  }

  void on_bytes() override;
  void on_flush() override {
    if (call_ && !link_.input().empty()) on_bytes();
  }
  void on_drained() override {
    if (call_) call_->drained();
  }
  void on_tick() override;
  void on_closed(LinkEnd end) override;

 private:
  bool step();
  bool read_head();
  bool read_body();
  h1::Step read_pieces(std::string_view& pieces, bool& used_some);
  void write_request(ClientCall& call);
  void write_pieces(ClientCall& call);
  void break_off(const h1::Fault& fault);
  void complete();

  Link& link_;
  ClientSessionOwner& owner_;
  h1::Limits limits_;
  h1::ResponseReader reader_;
  h1::BodyReader body_;
  std::shared_ptr<ClientCall> call_;
  std::string gathered_;
  bool in_body_ = false;
  bool closing_ = false;
  bool body_sent_ = true;
  std::size_t served_ = 0;  // calls that began
  Instant idle_since_;
};

void H1ClientSession::begin(const std::shared_ptr<ClientCall>& call) {
  call_ = call;
  call->session = this;
  call->sent = true;
  in_body_ = false;
  body_sent_ = !call->request.streamed;
  ++served_;
  reader_.reset(call->request.method == "HEAD");
  write_request(*call);
}

void H1ClientSession::write_request(ClientCall& call) {
  const ClientRequest& request = call.request;
  std::string& out = link_.tail();
  out += request.method;
  out += ' ';
  out += call.target();
  out += " HTTP/1.1\r\nhost: ";
  const auto host = request.headers.find("host");
  out += host ? *host : std::string_view(call.request.endpoint->authority);
  out += "\r\n";
  for (const auto& [name, value] : request.headers) {
    if (h1::is_connection_field(name) || name == "content-length" || name == "host") continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  const std::string_view body = call.body();
  if (request.streamed) {
    out += "transfer-encoding: chunked\r\n";
  } else if (!body.empty() || request.method == "POST" || request.method == "PUT" ||
             request.method == "PATCH") {
    out += "content-length: " + std::to_string(body.size()) + "\r\n";
  }
  out += "\r\n";
  link_.wrote();
  if (request.streamed) return write_pieces(call);
  if (request.shared_body) return link_.write(request.shared_body);
  link_.write(body);
}

void H1ClientSession::write_pieces(ClientCall& call) {
  std::string& out = link_.tail();
  while (!call.out.empty()) {
    const std::string_view piece = call.out.front();
    h1::append_chunk_size(out, piece.size());
    out += piece;
    out += "\r\n";
    call.out.drop(piece.size());
    call.out_taken = true;
  }
  if (call.out_ended && !std::exchange(body_sent_, true)) out += "0\r\n\r\n";
  link_.wrote();
}

void H1ClientSession::on_bytes() {
  if (!call_) return close();  // nobody asked
  while (call_ && !call_->paused && link_.open() && step()) {
  }
  if (call_ && call_->paused) return link_.want_input(false);
  if (!call_ && link_.open() && !link_.input().empty()) close();
}

bool H1ClientSession::step() { return in_body_ ? read_body() : read_head(); }

bool H1ClientSession::read_head() {
  std::size_t used = 0;
  call_->answered = call_->answered || !link_.input().empty();
  const h1::Step step = reader_.read(link_.input(), used);
  link_.consume(used);
  if (step == h1::Step::kMore) return false;
  if (step == h1::Step::kFault) {
    break_off(reader_.fault());
    return false;
  }
  if (reader_.head().status < 200) {  // an interim answer
    if (reader_.head().status == 101) {
      break_off({502, "bad_status", "the server switched protocols unasked"});
      return false;
    }
    reader_.reset(call_->request.method == "HEAD");
    return true;
  }
  in_body_ = true;
  body_.reset(reader_.framing());
  const auto call = call_;
  call->head(std::move(reader_.head()));
  return true;
}

// Chunks that came together go on together: a stream of events has many small ones.
h1::Step H1ClientSession::read_pieces(std::string_view& pieces, bool& used_some) {
  gathered_.clear();
  const std::string_view input = link_.input();
  std::size_t used = 0;
  h1::Step step = h1::Step::kMore;
  bool more = true;
  while (more && pieces.size() < kTogether) {
    const std::size_t before = used;
    std::string_view piece;
    step = body_.read(input, used, piece);
    if (pieces.empty()) {
      pieces = piece;
    } else if (!piece.empty()) {
      if (gathered_.empty()) gathered_ = pieces;
      gathered_ += piece;
      pieces = gathered_;
    }
    more = step == h1::Step::kMore && used > before && used < input.size();
  }
  link_.consume(used);  // the bytes stay where they are until the next read
  used_some = used > 0;
  return step;
}

bool H1ClientSession::read_body() {
  std::string_view piece;
  bool used_some = false;
  const h1::Step step = read_pieces(piece, used_some);
  const auto call = call_;
  if (!piece.empty() && !call->bytes(piece)) {
    call_ = nullptr;
    close();
    return false;
  }
  if (!call_) return false;
  if (step == h1::Step::kFault) {
    break_off(body_.fault());
    return false;
  }
  if (step == h1::Step::kDone) {
    complete();
    return false;
  }
  return used_some;
}

void H1ClientSession::break_off(const h1::Fault& fault) {
  const auto call = std::exchange(call_, nullptr);
  close();
  call->fail({Code::kAborted, "the answer is not HTTP/1.1: " + std::string(fault.message),
              std::string(fault.code)});
}

void H1ClientSession::complete() {
  const auto call = std::exchange(call_, nullptr);
  call->session = nullptr;
  // An answer that came before all of the request was sent leaves the connection in the middle of
  // it.
  const std::size_t most = call->request.host.requests_per_connection;
  const bool worn = most > 0 && served_ >= most;
  if (!reader_.keep_alive() || worn || !body_sent_ || link_.unsent() > 0 ||
      !link_.input().empty()) {
    close();
  } else {
    idle_since_ = link_.loop().now();
    owner_.has_room(*this);
  }
  call->end(body_.trailers());
}

void H1ClientSession::on_tick() {
  if (!call_ && link_.loop().now() - idle_since_ > owner_.limits().idle_timeout) close();
}

void H1ClientSession::on_closed(LinkEnd end) {
  // Whatever came before the end belongs to the answer, also while its reader was held up.
  if (call_ && call_->paused && end == LinkEnd::kPeerClosed) {
    call_->paused = false;
    while (call_ && step()) {
    }
  }
  closing_ = true;
  const auto call = std::exchange(call_, nullptr);
  owner_.ended(*this);
  if (!call) return;
  call->session = nullptr;
  if (end == LinkEnd::kStopped) return call->fail({Code::kCancelled, "the client was closed"});
  const bool until_close = in_body_ && reader_.framing().kind == h1::Framing::Kind::kUntilClose;
  if (until_close && end == LinkEnd::kPeerClosed) return call->end({});
  owner_.lost(call, {Code::kAborted, "the connection broke before the whole answer had come"});
}

}  // namespace

std::unique_ptr<ClientSession> make_h1_client_session(Link& link, ClientSessionOwner& owner) {
  return std::make_unique<H1ClientSession>(link, owner);
}

}  // namespace serin::net
