// SPDX-License-Identifier: Apache-2.0
// Who a request is from, whether that may make it, and whether it may begin now.
#include <algorithm>
#include <cmath>
#include <utility>

#include "gateway/forward.h"
#include "gateway/own_answers.h"
#include "gateway/policy/fault.h"
#include "net/grpc/frame.h"
#include "net/http/error_body.h"
#include "net/http/status.h"

namespace serin::gateway {
namespace {

std::string count_of(double number) {
  return std::to_string(static_cast<std::int64_t>(std::max(0.0, std::floor(number))));
}

}  // namespace

// False: the client was refused. A service that is not there is said later, with its names.
bool Forward::knock(const Name& name) {
  const auto found = table_->find(name.service);
  return !found || enter(**found);
}

bool Forward::enter(const ServiceEntry& service) {
  if (entered_) return true;
  const std::string_view path = std::string_view(route_.target).substr(0, route_.target.find('?'));
  auto pass = core_.door.enter(service.access, exchange_->head(), service.name, path);
  if (!pass) {
    service.state->refused(pass.error().reason);
    refuse(pass.error());
    return false;
  }
  entered_ = true;
  pass_ = std::move(*pass);
  return true;
}

// What the key has left of its limits.
bool Forward::charge() {
  if (pass_.account == nullptr) return true;
  auto share = pass_.account->begin(estimated_tokens(bytes_in_, max_tokens_), core_.clock);
  if (share) {
    share_ = *share;
    return true;
  }
  evidence_ = false;
  service_->state->refused(share.error().reason);
  refuse(share.error());
  return false;
}

// A client may lower its requests' priority, not raise it.
Priority Forward::priority() const {
  const auto asked = priority_of(exchange_->head().headers.get("serin-priority"));
  return std::min(asked.value_or(pass_.priority), pass_.priority);
}

// Whether the service has room for it. What reads, and streams of messages, last as long as their
// clients like and wait for no model.
bool Forward::admit() {
  if (streamed_ || exchange_->head().method != "POST") return true;
  const Instant now = core_.clock.now();
  const Duration within =
      std::min<Duration>(service_->resilience.first_token_timeout, deadline_ - now);
  auto entry = service_->state->guard.begin({.client = pass_.identity.client(),
                                             .priority = priority(),
                                             .first_token_within = within,
                                             .prompt_bytes = bytes_in_},
                                            now);
  if (entry) {
    entry_ = std::move(*entry);
    return true;
  }
  evidence_ = false;
  service_->state->refused(entry.error().reason);
  const TryEnd refused{End::kAnswer, net::http_status(entry.error())};
  // There is no more room for another version of it.
  visited_.versions = {service_->split.stable, service_->split.candidate};
  if (!fall_back(refused)) refuse(entry.error(), refused);
  return false;
}

// True: it waits for a fault's delay, or was answered with a fault.
bool Forward::inject_fault() {
  const FaultRules& rules = service_->resilience.fault;
  if (rules == FaultRules{}) return false;
  const Fault fault = fault_for(rules, exchange_->head().headers, unit_interval(lane_.random()),
                                unit_interval(lane_.random()));
  if (fault.status != 0) {
    evidence_ = false;
    const Error error{net::code_of_http_status(fault.status),
                      "this service is configured to fail some requests", "fault_injected"};
    service_->state->refused(error.reason);
    if (grpc_) {
      refuse(error);
      return true;
    }
    status_ = fault.status;
    net::Response response = net::error_response(error);
    response.status = fault.status;
    response.headers.set("x-request-id", request_id_);
    exchange_->respond(std::move(response));
    ended({End::kAnswer, fault.status});
    return true;
  }
  if (fault.delay <= Duration::zero()) return false;
  evidence_ = false;
  retry_at_ = core_.clock.now() + fault.delay;
  phase_ = Phase::kWaiting;
  return true;
}

// What the request held of its service is given back.
void Forward::settle(const TryEnd& tried, Instant now) {
  if (!entry_) return;
  Attempt whole{attempt_end_of(tried, first_byte_.has_value()), {}, meter_.per_token()};
  if (first_byte_) whole.first_token = *first_byte_ - began_;
  service_->state->guard.ended(*entry_, whole, now);
  entry_.reset();
}

// What it cost is taken from its key. An error costs no tokens.
void Forward::pay() {
  if (!share_) return;
  const double counted = static_cast<double>(bytes_in_) / 4 + static_cast<double>(meter_.events());
  pass_.account->end(*share_, status_ >= 400 ? 0 : usage_.tokens().value_or(counted), core_.clock);
  share_.reset();
}

// As OpenAI's clients know them.
void Forward::add_limits(net::Headers& headers) const {
  if (pass_.account == nullptr) return;
  const Account::Left left = pass_.account->left(core_.clock);
  if (left.requests > 0) {
    headers.set("x-ratelimit-limit-requests", std::to_string(left.requests));
    headers.set("x-ratelimit-remaining-requests", count_of(left.requests_left));
  }
  if (left.tokens > 0) {
    headers.set("x-ratelimit-limit-tokens", std::to_string(left.tokens));
    headers.set("x-ratelimit-remaining-tokens", count_of(left.tokens_left));
  }
}

}  // namespace serin::gateway
