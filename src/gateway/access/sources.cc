// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/sources.h"

#include <algorithm>

#include "base/files.h"
#include "base/log.h"
#include "gateway/access/discovery.h"

namespace serin::gateway {
namespace {

constexpr Duration kEvery = std::chrono::minutes(5);
constexpr Duration kSoonest = std::chrono::seconds(10);
constexpr std::uint64_t kMostBytes = 1 << 20;

void say_unusable(const TokenKeys& from, const Error& why) {
  log::error("the keys of tokens cannot be used", {{"from", from.name}, {"error", why.message}});
}

}  // namespace

TokenKeys token_keys_of(const JwtRule& rule) {
  using enum TokenKeys::Kind;
  if (!rule.jwks_file.empty()) return {kFile, rule.jwks_file};
  if (!rule.jwks_uri.empty()) return {kUri, rule.jwks_uri};
  return {kIssuer, rule.issuer};
}

void Sources::want(const Wanted& wanted) {
  const std::lock_guard lock(mutex_);
  std::erase_if(key_files_, [&](const auto& one) { return !wanted.key_files.contains(one.first); });
  std::erase_if(jwks_, [&](const auto& one) { return !wanted.token_keys.contains(one.first); });
  for (const std::string& file : wanted.key_files) key_files_.try_emplace(file);
  for (const TokenKeys& from : wanted.token_keys) jwks_.try_emplace(from);
}

std::shared_ptr<const KeyRing> Sources::keys(std::string_view file) const {
  const std::lock_guard lock(mutex_);
  const auto found = key_files_.find(file);
  return found == key_files_.end() ? nullptr : found->second.ring;
}

std::shared_ptr<const JwkSet> Sources::jwks(const TokenKeys& from) const {
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(from);
  return found == jwks_.end() ? nullptr : found->second.set;
}

void Sources::hurry(const TokenKeys& from) {
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(from);
  if (found != jwks_.end() && from.kind != TokenKeys::Kind::kFile)
    found->second.due = std::min(found->second.due, found->second.fetched + kSoonest);
}

std::vector<TokenKeys> Sources::sets() const {
  const std::lock_guard lock(mutex_);
  std::vector<TokenKeys> sets;
  sets.reserve(jwks_.size());
  for (const auto& [from, known] : jwks_) sets.push_back(from);
  return sets;
}

std::vector<std::string> Sources::read_files() {
  std::map<std::string, std::optional<FileStamp>> files;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [file, known] : key_files_) files.emplace(file, known.stamp);
  }
  std::vector<std::string> changed;
  for (const auto& [file, known] : files) {
    if (read_keys(file, known)) changed.push_back(file);
  }
  for (const TokenKeys& from : sets()) {
    if (from.kind == TokenKeys::Kind::kFile) read_jwks(from);
  }
  return changed;
}

void Sources::fetch_due(const CancelToken& cancel) {
  for (const TokenKeys& from : sets()) {
    if (from.kind != TokenKeys::Kind::kFile && !cancel.cancelled()) fetch_jwks(from, cancel);
  }
}

// Whether it was read anew.
bool Sources::read_keys(const std::string& file, const std::optional<FileStamp>& known) {
  const auto stamp = stamp_of(file);
  if (stamp && stamp == known) return false;
  auto ring = KeyRing::read(file);
  if (!ring && stamp != known)
    log::error("the file of keys cannot be used",
               {{"file", file}, {"error", ring.error().message}});
  if (ring) log::info("keys were read", {{"file", file}, {"keys", ring->size()}});
  const std::lock_guard lock(mutex_);
  const auto found = key_files_.find(file);
  if (found == key_files_.end()) return false;
  found->second.stamp = stamp;
  if (!ring) return false;
  found->second.ring = std::make_shared<const KeyRing>(std::move(*ring));
  return true;
}

void Sources::read_jwks(const TokenKeys& from) {
  const auto stamp = stamp_of(from.name);
  {
    const std::lock_guard lock(mutex_);
    const auto found = jwks_.find(from);
    if (found == jwks_.end() || (stamp && stamp == found->second.stamp)) return;
  }
  auto set = read_file(from.name, kMostBytes).and_then([&](const std::string& text) {
    return JwkSet::parse(text, from.name);
  });
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(from);
  if (found == jwks_.end()) return;
  const bool again = found->second.stamp == stamp;
  found->second.stamp = stamp;
  if (set) {
    found->second.set = std::make_shared<const JwkSet>(std::move(*set));
  } else if (!again) {
    say_unusable(from, set.error());
  }
}

Result<JwkSet> Sources::fetched_set(const TokenKeys& from, const CancelToken& cancel) const {
  std::string where = from.name;
  if (from.kind == TokenKeys::Kind::kIssuer) {
    const std::string url = discovery_url(from.name);
    SERIN_TRY_ASSIGN(const std::string document, fetch_(url, cancel));
    SERIN_TRY_ASSIGN(where, discovered_jwks_uri(document, from.name, url));
  }
  SERIN_TRY_ASSIGN(const std::string text, fetch_(where, cancel));
  return JwkSet::parse(text, where);
}

void Sources::fetch_jwks(const TokenKeys& from, const CancelToken& cancel) {
  const Instant now = clock_.now();
  {
    const std::lock_guard lock(mutex_);
    const auto found = jwks_.find(from);
    if (found == jwks_.end() || now < found->second.due) return;
    JwksSource& source = found->second;
    // The next time, also when this one fails; a set that never came is asked for sooner.
    source.fetched = now;
    source.due = now + (source.set == nullptr ? kSoonest : kEvery);
  }
  auto set = fetched_set(from, cancel);
  if (cancel.cancelled()) return;
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(from);
  if (found == jwks_.end()) return;
  if (!set) return say_unusable(from, set.error());
  found->second.set = std::make_shared<const JwkSet>(std::move(*set));
  found->second.due = now + kEvery;
}

}  // namespace serin::gateway
