// SPDX-License-Identifier: Apache-2.0
// What a server holds of requests' bodies, of all connections together, and one request's share of
// it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/check.h"

namespace serin::net {

// Safe from any thread.
class BodyBudget {
 public:
  explicit BodyBudget(std::uint64_t limit) : limit_(limit) {}

  // False, and counted, where that would be more than the limit.
  bool take(std::uint64_t bytes) {
    std::uint64_t held = held_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - held) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::uint64_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> held_{0};
  std::atomic<std::uint64_t> refused_{0};
};

// Given back at its end, on whatever thread. Else for one thread.
class BodyShare {
 public:
  explicit BodyShare(std::shared_ptr<BodyBudget> budget) : budget_(std::move(budget)) {}
  ~BodyShare() { budget_->give_back(taken_); }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  // Room for a body of `bytes`, none of which has come.
  bool expect(std::uint64_t bytes) { return grow_to(bytes); }
  // So many bytes more have come.
  bool add(std::uint64_t bytes) {
    if (!grow_to(held_ + bytes)) return false;
    held_ += bytes;
    return true;
  }
  // So many of those that came are held no more.
  void remove(std::uint64_t bytes) {
    SERIN_CHECK(bytes <= held_);
    held_ -= bytes;
    taken_ -= bytes;
    budget_->give_back(bytes);
  }

 private:
  bool grow_to(std::uint64_t bytes) {
    if (bytes <= taken_) return true;
    if (!budget_->take(bytes - taken_)) return false;
    taken_ = bytes;
    return true;
  }

  std::shared_ptr<BodyBudget> budget_;  // exchanges may outlive their server
  std::uint64_t held_ = 0;
  std::uint64_t taken_ = 0;  // at least held_
};

}  // namespace serin::net
