// SPDX-License-Identifier: Apache-2.0
// What all connections of one server share. Owned by the server, which outlives its loops' threads;
// the limits and the handler do not change, the rest is atomic or guarded.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/http/body_budget.h"
#include "net/http/server.h"
#include "net/io/link.h"

namespace serin::net {

struct ServerContext {
  ServerLimits limits;
  Handler handler;
  LinkCounters counters;
  std::shared_ptr<BodyBudget> bodies;
  std::atomic<std::uint64_t> exchanges{0};
  std::atomic<bool> draining{false};
  std::mutex mutex;
  std::condition_variable changed;  // a connection or an exchange ended while draining

  void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
  }
  bool is_draining() const { return draining.load(std::memory_order_relaxed); }
  void tell_drain() {
    if (!is_draining()) return;
    const std::lock_guard lock(mutex);
    changed.notify_all();
  }
  void exchange_ended() {
    exchanges.fetch_sub(1, std::memory_order_release);
    tell_drain();
  }
};

// The JSON body of an answer that the server gives by itself, in OpenAI's shape. The texts are
// ours: plain ASCII.
std::string refusal_body(std::uint16_t status, std::string_view code, std::string_view message);

// Runs the handler; one that throws is answered 500.
void run_handler(ServerContext& context, const std::shared_ptr<Exchange>& exchange);

}  // namespace serin::net
