// SPDX-License-Identifier: Apache-2.0
// A thread that owns a loop and everything in flight on it: takes from the queue, steps the loop,
// probes an idle engine. An engine has one, or as many as its model takes calls at once. Created
// and ended by the engine; ends when the queue is stopped, failing what is left with kUnavailable.
#pragma once

#include <atomic>
#include <thread>

#include "engine/admission.h"
#include "engine/idle_probe.h"
#include "engine/loops/loop.h"

namespace serin::engine {

class DeviceThread {
 public:
  struct Parts {
    Loop* loop;  // this thread's alone
    ModelCaller* caller;
    Admission* admission;
    Observer* observer;  // may be null
    IdleProbe* probe;
  };
  explicit DeviceThread(Parts parts);
  ~DeviceThread();  // stops the queue and waits for the call that runs

  std::uint64_t device_memory_bytes() const { return memory_.load(std::memory_order_relaxed); }

 private:
  void run();
  void turn();
  void drop(Admission::Taken& taken);
  void tell_running();

  Parts parts_;
  bool stopped_ = false;
  std::size_t told_ = 0;  // so many are in flight here, as the queue knows
  std::atomic<std::uint64_t> memory_{0};
  std::jthread thread_;  // last: it uses the others
};

}  // namespace serin::engine
