// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/transport.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/io/threads.h"
#include "net/tls.h"
#include "platform/kubernetes/client/pull.h"
#include "platform/kubernetes/client/status.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::size_t kRefusalBytes = 64 << 10;
constexpr std::chrono::seconds kSilence{20};
constexpr std::uint16_t kUnauthorized = 401;

// Where the configuration has what TLS does not take.
Error placed(Error error, const Access& access) {
  const Secret* at = nullptr;
  if (error.param == "tls.authorities") at = &access.authority;
  if (error.param == "tls.certificate") at = &access.certificate;
  if (error.param == "tls.key") at = &access.key;
  return std::move(error).within(at != nullptr && at->given() ? at->place : access.name);
}

Status refusal(Pull& pull, const net::ResponseHead& head) {
  net::Response response{head.status, head.headers, {}};
  while (response.body.size() < kRefusalBytes) {
    SERIN_TRY_ASSIGN(const std::string bytes, pull.next());
    if (bytes.empty()) break;
    response.body += bytes;
  }
  return fail(error_of(response));
}

}  // namespace

struct Transport::Session {
  std::shared_ptr<net::IoThreads> io;
  std::unique_ptr<net::Client> client;

  ~Session() { io->stop(); }
};

Transport::Transport(Access access, const Clock& clock, std::size_t answer_bytes)
    : credentials_(std::move(access), clock), answer_bytes_(answer_bytes) {}

Result<std::unique_ptr<Transport>> Transport::create(Access access, const Clock& clock,
                                                     std::size_t answer_bytes) {
  std::unique_ptr<Transport> made(new Transport(std::move(access), clock, answer_bytes));
  SERIN_TRY(made->now({}, Instant::max()));
  return made;
}

Result<std::shared_ptr<Transport::Session>> Transport::connect(
    const net::TlsClientOptions& tls) const {
  // The client itself would only say so to its first request.
  if (auto valid = net::TlsContext::client(tls); !valid)
    return fail(placed(std::move(valid).error(), access()));
  auto session = std::make_shared<Session>();
  session->io = net::IoThreads::start(1);
  net::ClientOptions options;
  options.io = session->io;
  options.tls = tls;
  options.limits.body_bytes = answer_bytes_;
  options.limits.silence = kSilence;
  SERIN_TRY_ASSIGN(session->client, net::Client::create(std::move(options)));
  return session;
}

Result<Transport::Now> Transport::now(const CancelToken& cancel, Instant until) {
  SERIN_TRY_ASSIGN(Identity identity, credentials_.current(cancel, until));
  const std::lock_guard lock(mutex_);
  if (session_ && identity.tls == shown_) return Now{std::move(identity), session_};
  if (!session_ || identity.tls != broken_) {
    auto made = connect(identity.tls);
    if (made) {
      session_ = *std::move(made);
      shown_ = identity.tls;
      return Now{std::move(identity), session_};
    }
    if (!session_) return fail(std::move(made).error());
    // A certificate and its key change one after the other: until they fit, the old ones are good.
    log::warning(made.error().message, {{"cluster", access().name}});
    broken_ = identity.tls;
  }
  identity.tls = shown_;
  return Now{std::move(identity), session_};
}

std::optional<Transport::Now> Transport::another(const Now& refused, const CancelToken& cancel,
                                                 Instant until) {
  credentials_.refused(refused.identity);
  auto who = now(cancel, until);
  if (!who || who->identity == refused.identity) return std::nullopt;
  return *std::move(who);
}

net::ClientRequest Transport::address(net::ClientRequest request, const Now& now,
                                      Instant until) const {
  request.url = access().server + request.target;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  request.timeout = std::max(left, std::chrono::milliseconds(1));
  if (!now.identity.token.empty())
    request.headers.set("authorization", "Bearer " + now.identity.token);
  return request;
}

Result<net::Response> Transport::fetch(net::ClientRequest request) {
  const Instant until = std::chrono::steady_clock::now() + request.timeout;
  SERIN_TRY_ASSIGN(const Now who, now(request.cancel, until));
  auto answer = who.session->client->fetch(address(request, who, until));
  if (!answer || answer->status != kUnauthorized) return answer;
  const auto instead = another(who, request.cancel, until);
  if (!instead) return answer;
  return instead->session->client->fetch(address(std::move(request), *instead, until));
}

Status Transport::stream(net::ClientRequest request,
                         const std::function<Status(std::string_view)>& take,
                         const std::function<void()>& begun) {
  const Instant until = std::chrono::steady_clock::now() + request.timeout;
  SERIN_TRY_ASSIGN(Now who, now(request.cancel, until));
  for (bool again = false;; again = true) {
    Pull pull(*who.session->io, *who.session->client, address(request, who, until));
    SERIN_TRY_ASSIGN(const net::ResponseHead head, pull.head());
    if (head.status == kUnauthorized && !again) {
      if (auto instead = another(who, request.cancel, until)) {
        who = *std::move(instead);
        continue;
      }
    }
    if (head.status != 200) return refusal(pull, head);
    if (begun) begun();
    for (;;) {
      SERIN_TRY_ASSIGN(const std::string bytes, pull.next());
      if (bytes.empty()) return {};
      SERIN_TRY(take(bytes));
    }
  }
}

}  // namespace serin::platform::kubernetes
