// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/credentials.h"

#include <algorithm>
#include <utility>

#include "base/files.h"
#include "base/log.h"

namespace serin::platform::kubernetes {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kMostBytes = 1 << 20;
// A token that expires on its way is as good as none.
constexpr std::chrono::seconds kBefore{30};
// A token has no way to wake a waiter; this is how late a cancellation may be noticed.
constexpr milliseconds kLook{50};

std::string without_end(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  return std::string(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

// Nothing is no secret: without an authority every public one would be believed.
Result<std::string> read_secret(const std::filesystem::path& file) {
  SERIN_TRY_ASSIGN(std::string text, read_file(file, kMostBytes));
  if (without_end(text).empty())
    return fail(Code::kFailedPrecondition, file.string() + " is empty");
  return text;
}

}  // namespace

Credentials::Credentials(Access access, const Clock& clock)
    : access_(std::move(access)), clock_(clock) {}

Credentials::~Credentials() { ended_.cancel(); }

Result<std::string> Credentials::text_of(const Secret& secret) {
  if (secret.file.empty()) return secret.text;
  Kept& kept = files_[secret.file];
  const auto stamp = stamp_of(secret.file);
  if (stamp && *stamp == kept.stamp) return kept.text;
  auto text = read_secret(secret.file);
  if (text) {
    // What was read may be of another moment than the stamp: then the next look reads it again.
    kept = {stamp.value_or(FileStamp()), *std::move(text), false};
    return kept.text;
  }
  Error error{Code::kFailedPrecondition, secret.place + ": " + text.error().message};
  if (kept.text.empty()) return fail(std::move(error));
  // Whoever writes it may be at it just now.
  if (!std::exchange(kept.lost, true)) log::warning(error.message, {{"cluster", access_.name}});
  return kept.text;
}

Result<Identity> Credentials::of_files() {
  const std::lock_guard lock(mutex_);
  Identity identity;
  identity.tls.server_name = access_.server_name;
  identity.tls.verify = access_.verify;
  SERIN_TRY_ASSIGN(identity.tls.authorities, text_of(access_.authority));
  SERIN_TRY_ASSIGN(identity.tls.certificate, text_of(access_.certificate));
  SERIN_TRY_ASSIGN(identity.tls.key, text_of(access_.key));
  SERIN_TRY_ASSIGN(const std::string token, text_of(access_.token));
  identity.token = without_end(token);
  return identity;
}

bool Credentials::answer_is_good() const {
  return answer_ && (!answer_->expires || *answer_->expires > clock_.wall() + kBefore);
}

// Of a plugin that has ended.
void Credentials::take_answer() {
  using std::future_status;
  if (!asking_.valid() || asking_.wait_for(milliseconds(0)) != future_status::ready) return;
  answer_.reset();
  if (const auto& said = asking_.get()) answer_ = *said;
  asking_ = {};
}

Result<PluginAnswer> Credentials::of_plugin(const std::string& authorities,
                                            const CancelToken& cancel, Instant until) {
  Asking asking;
  {
    const std::lock_guard lock(mutex_);
    take_answer();
    if (answer_is_good()) return *answer_;
    if (!asking_.valid())
      asking_ = std::async(std::launch::async, [this, authorities] {
        return run_plugin(*access_.plugin, authorities, ended_);
      });
    asking = asking_;
  }
  const std::string& command = access_.plugin->command;
  for (;;) {
    const Instant now = std::chrono::steady_clock::now();
    if (asking.wait_until(std::min(until, now + kLook)) == std::future_status::ready)
      return asking.get();
    if (cancel.cancelled()) return fail(Code::kCancelled, command + ": cancelled");
    if (now >= until)
      return fail(Code::kDeadlineExceeded, command + ": has not said in time who we are");
  }
}

Result<Identity> Credentials::current(const CancelToken& cancel, Instant until) {
  SERIN_TRY_ASSIGN(Identity identity, of_files());
  if (!access_.plugin) return identity;
  SERIN_TRY_ASSIGN(PluginAnswer answer, of_plugin(identity.tls.authorities, cancel, until));
  identity.token = std::move(answer.token);
  identity.tls.certificate = std::move(answer.certificate);
  identity.tls.key = std::move(answer.key);
  return identity;
}

void Credentials::refused(const Identity& identity) {
  const std::lock_guard lock(mutex_);
  take_answer();
  const bool same = answer_ && answer_->token == identity.token &&
                    answer_->certificate == identity.tls.certificate;
  if (same) answer_.reset();
  const auto kept = files_.find(access_.token.file);
  if (kept != files_.end() && without_end(kept->second.text) == identity.token) files_.erase(kept);
}

}  // namespace serin::platform::kubernetes
