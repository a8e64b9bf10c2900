// SPDX-License-Identifier: Apache-2.0
#include "gateway/scoring/question.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "gateway/lane.h"
#include "net/http/error_body.h"

namespace serin::gateway {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMostAnswer = std::size_t{64} << 10;

// What has come of the answer.
struct Heard {
  std::string body;
  bool too_long = false;

  void add(std::string_view bytes) {
    too_long = too_long || body.size() + bytes.size() > kMostAnswer;
    if (!too_long) body += bytes;
  }
};

net::ClientRequest request_to(const ServiceEntry& service, std::string body, Duration within) {
  const auto left = std::chrono::ceil<milliseconds>(within);
  net::ClientRequest request;
  request.method = "POST";
  request.target = "/v1/models/" + service.name + ":predict";
  request.headers = {{"content-type", "application/json"},
                     {"serin-copy", "score"},
                     {"serin-timeout", std::to_string(left.count()) + "ms"}};
  request.body = std::move(body);
  request.host = {.connections = service.resilience.max_connections,
                  .pending = service.resilience.max_pending_requests,
                  .requests_per_connection = service.resilience.max_requests_per_connection};
  request.timeout = left + std::chrono::seconds(1);  // the copy's own deadline comes first
  return request;
}

net::Response response_of(const std::string& service, const Ended& ended, Heard heard) {
  if (ended.tried.end != End::kAnswer) {
    const Code code =
        ended.tried.end == End::kDeadline ? Code::kDeadlineExceeded : Code::kUnavailable;
    return net::error_response(
        {code, service + " gave no answer: " + std::string(name_of(ended.tried.end))});
  }
  if (heard.too_long)
    return net::error_response(
        {Code::kOutOfRange, "the answer of " + service + " is longer than 64 KiB"});
  return {ended.tried.status, {{"content-type", "application/json"}}, std::move(heard.body)};
}

}  // namespace

void ask(Lane& lane, Question question) {
  Core& core = lane.core();
  const auto refuse = [&](const Error& error) { question.answered(net::error_response(error)); };
  const auto table = lane.table();
  const auto found = table->services.find(question.service);
  if (found == table->services.end())
    return refuse({Code::kNotFound, "there is no service \"" + question.service + "\""});
  const ServiceEntry& service = found->second;
  const VersionEntry* version = service.find(service.split.stable);
  if (version == nullptr)
    return refuse({Code::kNotFound, service.name + " has no version that could answer"});
  auto room = CopyRoom::take(core, service.state, question.body.size() + kMostAnswer);
  if (!room)
    return refuse({Code::kResourceExhausted,
                   "as many copies of requests are under way as may be: --copies, --copies-bytes"});
  const Instant now = core.clock.now();
  const Duration within = std::min<Duration>(question.within, service.resilience.timeout);
  const auto heard = std::make_shared<Heard>();
  CopyOrder order{.table = table,
                  .service = &service,
                  .version = version,
                  .room = *std::move(room),
                  .request = request_to(service, std::move(question.body), within),
                  .began = now,
                  .deadline = now + within,
                  .cancel = question.cancel,
                  .answers = nullptr,
                  .on_bytes = [heard](std::string_view bytes) { heard->add(bytes); },
                  .on_end = {}};
  order.on_end = [name = service.name, heard, answered = std::move(question.answered)](
                     const Ended& ended) { answered(response_of(name, ended, std::move(*heard))); };
  lane.copies().send(std::move(order));
}

}  // namespace serin::gateway
