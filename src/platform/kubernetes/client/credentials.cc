// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/credentials.h"

#include <utility>

#include "base/files.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::uint64_t kMostBytes = 1 << 20;
// A token that expires on its way is as good as none.
constexpr std::chrono::seconds kBefore{30};

}  // namespace

Credentials::Credentials(Access access, const Clock& clock)
    : access_(std::move(access)), clock_(clock) {}

Result<std::string> Credentials::text_of(const Secret& secret) {
  if (secret.file.empty()) return secret.text;
  Kept& kept = files_[secret.file];
  const auto stamp = stamp_of(secret.file);
  if (stamp && *stamp == kept.stamp) return kept.text;
  auto text = read_file(secret.file, kMostBytes);
  if (!text) return fail(Code::kFailedPrecondition, secret.place + ": " + text.error().message);
  // What was read may be of another moment than the stamp: then the next look reads it again.
  kept = {stamp.value_or(FileStamp()), *std::move(text)};
  return kept.text;
}

Status Credentials::ask_plugin(Identity& identity, const CancelToken& cancel) {
  const bool over = answer_ && answer_->expires && *answer_->expires - kBefore <= clock_.wall();
  if (!answer_ || over) {
    answer_.reset();
    SERIN_TRY_ASSIGN(answer_, run_plugin(*access_.plugin, identity.tls.authorities, cancel));
  }
  identity.token = answer_->token;
  identity.tls.certificate = answer_->certificate;
  identity.tls.key = answer_->key;
  return {};
}

Result<Identity> Credentials::current(const CancelToken& cancel) {
  const std::lock_guard lock(mutex_);
  Identity identity;
  identity.tls.server_name = access_.server_name;
  identity.tls.verify = access_.verify;
  SERIN_TRY_ASSIGN(identity.tls.authorities, text_of(access_.authority));
  SERIN_TRY_ASSIGN(identity.tls.certificate, text_of(access_.certificate));
  SERIN_TRY_ASSIGN(identity.tls.key, text_of(access_.key));
  SERIN_TRY_ASSIGN(identity.token, text_of(access_.token));
  while (!identity.token.empty() && identity.token.back() <= ' ') identity.token.pop_back();
  if (access_.plugin) SERIN_TRY(ask_plugin(identity, cancel));
  return identity;
}

void Credentials::refused(const Identity& identity) {
  const std::lock_guard lock(mutex_);
  const bool same = answer_ && answer_->token == identity.token &&
                    answer_->certificate == identity.tls.certificate;
  if (same) answer_.reset();
}

}  // namespace serin::platform::kubernetes
