// SPDX-License-Identifier: Apache-2.0
#include "control/notify/tell.h"

#include <utility>

#include "base/files.h"
#include "base/subprocess.h"
#include "base/words.h"
#include "control/notify/message.h"
#include "net/http/retry_after.h"

namespace serin::control::notify {
namespace {

constexpr std::uint64_t kLargestSecrets = 4096;
constexpr std::size_t kLargestAnswer = std::size_t{1} << 20;
constexpr std::size_t kLongestOutput = 4096;
constexpr std::size_t kLongestWords = 200;

Result<std::vector<std::string>> secrets_of(const Target& target) {
  SERIN_TRY_ASSIGN(const std::string text, read_file(target.secret_file, kLargestSecrets));
  return parse_secrets(text, target.secret_file.string());
}

Status outcome_of(const net::Response& answer) {
  if (answer.status >= 200 && answer.status < 300) return {};
  Error error{.code = Code::kUnavailable,
              .message = "it answered " + std::to_string(answer.status),
              .retry_after = net::parse_retry_after(answer.headers.get("retry-after"))};
  if (answer.status == 410) error.reason = kGone;
  if (answer.status >= 300 && answer.status < 400)
    error.message += "; redirections are not followed";
  return fail(std::move(error));
}

Status run(const Target& target, const Event& event, const CancelToken& cancel) {
  const Message message = message_of(event);
  Command command{.arguments = target.command, .input = message.body};
  command.output_limit = kLongestOutput;
  command.environment = environment_with(environment_of(event, message));
  SERIN_TRY_ASSIGN(const Exit exit, run_command(std::move(command), target.timeout, cancel));
  if (exit.ok()) return {};
  if (exit.cancelled) return fail(Code::kCancelled, "it was cut short");
  if (exit.timed_out) return fail(Code::kDeadlineExceeded, "it did not end in time");
  const std::string words(last_line(exit.errors).substr(0, kLongestWords));
  return fail(Code::kUnavailable,
              "it ended with " + std::to_string(exit.code) + (words.empty() ? "" : ": " + words));
}

}  // namespace

Result<Teller> Teller::create(const Clock& clock) {
  net::ClientOptions options;
  options.limits.body_bytes = kLargestAnswer;
  SERIN_TRY_ASSIGN(auto client, net::Client::create(std::move(options)));
  return Teller(clock, std::move(client));
}

Status Teller::tell(const Target& target, const Event& event, const CancelToken& cancel) const {
  return target.is_command() ? run(target, event, cancel) : post(target, event, cancel);
}

Status Teller::post(const Target& target, const Event& event, const CancelToken& cancel) const {
  SERIN_TRY_ASSIGN(const auto secrets, secrets_of(target));
  const Message message = message_of(event);
  const std::int64_t now = unix_seconds(*clock_);
  net::ClientRequest request;
  request.url = target.url;
  request.method = "POST";
  request.headers.add("content-type", "application/json");
  request.headers.add("user-agent", "serin");
  request.headers.add("webhook-id", message.id);
  request.headers.add("webhook-timestamp", std::to_string(now));
  request.headers.add("webhook-signature", signature_of(message, now, secrets));
  request.body = message.body;
  request.timeout = target.timeout;
  request.cancel = cancel;
  SERIN_TRY_ASSIGN(const net::Response answer, client_->fetch(std::move(request)));
  return outcome_of(answer);
}

Status check(const Target& target) {
  if (target.is_command()) return {};
  return secrets_of(target).map([](const auto&) {});
}

}  // namespace serin::control::notify
