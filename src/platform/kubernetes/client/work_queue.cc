// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/work_queue.h"

#include <algorithm>
#include <utility>

namespace serin::platform::kubernetes {

void WorkQueue::add(const ObjectKey& key) {
  {
    const std::lock_guard lock(mutex_);
    add_now(key);
  }
  changed_.notify_all();
}

void WorkQueue::add_now(const ObjectKey& key) {
  if (const auto found = later_.find(key); found != later_.end()) {
    due_.erase({found->second, key});
    later_.erase(found);
  }
  if (!wanted_.insert(key).second || working_.contains(key)) return;
  ready_.push_back(key);
}

void WorkQueue::add_after(const ObjectKey& key, Duration wait) {
  if (wait <= Duration::zero()) return add(key);
  {
    const std::lock_guard lock(mutex_);
    if (wanted_.contains(key)) return;
    const Instant due = clock_.now() + wait;
    const auto [found, fresh] = later_.try_emplace(key, due);
    if (!fresh && found->second <= due) return;
    if (!fresh) due_.erase({found->second, key});
    found->second = due;
    due_.emplace(due, key);
  }
  changed_.notify_all();
}

void WorkQueue::add_failed(const ObjectKey& key) {
  Duration wait{};
  {
    const std::lock_guard lock(mutex_);
    wait = wait_after(++failed_[key], backoff_, 1);
  }
  add_after(key, wait);
}

void WorkQueue::forget(const ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  failed_.erase(key);
}

void WorkQueue::make_due() {
  const Instant now = clock_.now();
  while (!due_.empty() && due_.begin()->first <= now) {
    const ObjectKey key = due_.begin()->second;
    add_now(key);
  }
}

std::optional<ObjectKey> WorkQueue::pop() {
  make_due();
  if (ready_.empty()) return std::nullopt;
  ObjectKey key = std::move(ready_.front());
  ready_.pop_front();
  wanted_.erase(key);
  working_.insert(key);
  return key;
}

std::optional<ObjectKey> WorkQueue::take_due() {
  const std::lock_guard lock(mutex_);
  return pop();
}

std::optional<ObjectKey> WorkQueue::take(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (auto key = pop()) return key;
    const auto wait = until_due();
    const auto first = [this] { return due_.empty() ? Instant::max() : due_.begin()->first; };
    const auto changed = [&, awaited = first()] { return !ready_.empty() || first() != awaited; };
    if (wait) {
      changed_.wait_for(lock, stop, *wait, changed);
    } else {
      changed_.wait(lock, stop, changed);
    }
  }
  return std::nullopt;
}

void WorkQueue::done(const ObjectKey& key) {
  {
    const std::lock_guard lock(mutex_);
    if (working_.erase(key) == 0 || !wanted_.contains(key)) return;
    ready_.push_back(key);
  }
  changed_.notify_all();
}

std::size_t WorkQueue::size() const {
  const std::lock_guard lock(mutex_);
  return wanted_.size();
}

std::optional<Duration> WorkQueue::until_due() const {
  if (due_.empty()) return std::nullopt;
  return std::max(due_.begin()->first - clock_.now(), Duration::zero());
}

}  // namespace serin::platform::kubernetes
