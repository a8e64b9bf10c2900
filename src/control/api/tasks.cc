// SPDX-License-Identifier: Apache-2.0
#include "control/api/tasks.h"

#include <utility>

#include "base/last_resort.h"

namespace serin::control::api {

Tasks::Tasks(unsigned threads, std::size_t waiting) : limit_(waiting) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Tasks::~Tasks() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status Tasks::run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= limit_)
      return fail(
          {Code::kResourceExhausted,
           "the control plane has " + std::to_string(limit_) + " requests waiting: try again",
           "control_busy",
           {},
           std::chrono::seconds(1)});
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return {};
}

void Tasks::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    survives("a request to the control plane", task);
    lock.lock();
  }
}

}  // namespace serin::control::api
