// SPDX-License-Identifier: Apache-2.0
// One flag a request: set by a client that went away, a deadline that passed or a drain; read
// between steps.
#pragma once

#include <atomic>
#include <memory>

namespace serin {

// Copies share the flag. Safe from any thread; it is set once and never cleared.
class CancelToken {
 public:
  void cancel() const { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace serin
