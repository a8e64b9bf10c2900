// SPDX-License-Identifier: Apache-2.0
// The one thread that owns a model and everything in flight on it: takes from the queue, steps the
// loop, probes an idle engine. Created and ended by the engine; ends when the queue is stopped,
// failing what is left with kUnavailable.
#pragma once

#include <atomic>
#include <optional>
#include <thread>

#include "engine/admission.h"
#include "engine/loops/loop.h"

namespace serin::engine {

class DeviceThread {
 public:
  struct Parts {
    Loop* loop;
    ModelCaller* caller;
    Admission* admission;
    Observer* observer;            // may be null
    std::optional<Request> probe;  // what an idle engine runs
    Duration probe_interval;
  };
  explicit DeviceThread(Parts parts);
  ~DeviceThread();  // stops the queue and waits for the call that runs

  std::uint64_t device_memory_bytes() const { return memory_.load(std::memory_order_relaxed); }

 private:
  void run();
  void turn();
  void drop(Admission::Taken& taken);
  bool probe_is_due() const;
  void start_probe();
  Instant probe_at() const;

  Parts parts_;
  bool stopped_ = false;
  Instant last_probe_{};
  std::atomic<std::uint64_t> memory_{0};
  std::jthread thread_;  // last: it uses the others
};

}  // namespace serin::engine
