// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/sources.h"

#include <algorithm>

#include "base/files.h"
#include "base/log.h"

namespace serin::gateway {
namespace {

constexpr Duration kEvery = std::chrono::minutes(5);
constexpr Duration kSoonest = std::chrono::seconds(10);
constexpr std::uint64_t kMostBytes = 1 << 20;

bool among(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

void Sources::want(const Wanted& wanted) {
  const std::lock_guard lock(mutex_);
  std::erase_if(key_files_, [&](const auto& one) { return !among(wanted.key_files, one.first); });
  std::erase_if(jwks_, [&](const auto& one) {
    return !among(one.second.file ? wanted.jwks_files : wanted.jwks_uris, one.first);
  });
  for (const std::string& file : wanted.key_files) key_files_.try_emplace(file);
  for (const std::string& file : wanted.jwks_files) jwks_[file].file = true;
  for (const std::string& uri : wanted.jwks_uris) jwks_[uri].file = false;
}

std::shared_ptr<const KeyRing> Sources::keys(std::string_view file) const {
  const std::lock_guard lock(mutex_);
  const auto found = key_files_.find(file);
  return found == key_files_.end() ? nullptr : found->second.ring;
}

std::shared_ptr<const JwkSet> Sources::jwks(std::string_view file_or_uri) const {
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(file_or_uri);
  return found == jwks_.end() ? nullptr : found->second.set;
}

void Sources::hurry(std::string_view uri) {
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(uri);
  if (found != jwks_.end() && !found->second.file)
    found->second.due = std::min(found->second.due, found->second.fetched + kSoonest);
}

std::vector<std::string> Sources::refresh(bool fetch) {
  std::map<std::string, std::optional<FileStamp>> files;
  std::map<std::string, bool> sets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [file, known] : key_files_) files.emplace(file, known.stamp);
    for (const auto& [name, known] : jwks_) sets.emplace(name, known.file);
  }
  std::vector<std::string> changed;
  for (const auto& [file, known] : files) {
    const auto stamp = stamp_of(file);
    if (stamp && stamp == known) continue;
    auto ring = KeyRing::read(file);
    if (!ring && stamp != known)
      log::error("the file of keys cannot be used",
                 {{"file", file}, {"error", ring.error().message}});
    if (ring) log::info("keys were read", {{"file", file}, {"keys", ring->size()}});
    const std::lock_guard lock(mutex_);
    const auto found = key_files_.find(file);
    if (found == key_files_.end()) continue;
    found->second.stamp = stamp;
    if (!ring) continue;
    found->second.ring = std::make_shared<const KeyRing>(std::move(*ring));
    changed.push_back(file);
  }
  for (const auto& [name, file] : sets) {
    if (file || fetch) refresh_jwks(name, file);
  }
  return changed;
}

void Sources::refresh_jwks(const std::string& name, bool file) {
  const Instant now = clock_.now();
  std::optional<FileStamp> stamp;
  if (file) stamp = stamp_of(name);
  {
    const std::lock_guard lock(mutex_);
    const auto found = jwks_.find(name);
    if (found == jwks_.end()) return;
    JwksSource& source = found->second;
    if (file ? stamp && stamp == source.stamp : now < source.due) return;
    // The next time, also when this one fails; a set that never came is asked for sooner.
    source.fetched = now;
    source.due = now + (source.set == nullptr ? kSoonest : kEvery);
  }
  const auto text = file ? read_file(name, kMostBytes) : fetch_(name);
  auto set = text.and_then([&](const std::string& body) { return JwkSet::parse(body, name); });
  const std::lock_guard lock(mutex_);
  const auto found = jwks_.find(name);
  if (found == jwks_.end()) return;
  const bool again = file && found->second.stamp == stamp;
  found->second.stamp = stamp;
  if (set) {
    found->second.set = std::make_shared<const JwkSet>(std::move(*set));
    found->second.due = now + kEvery;
  } else if (!again) {
    log::error("the keys of tokens cannot be used",
               {{"from", name}, {"error", set.error().message}});
  }
}

}  // namespace serin::gateway
