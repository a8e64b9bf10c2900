// SPDX-License-Identifier: Apache-2.0
#include "worker/pool.h"

#include "base/last_resort.h"

namespace serin::worker {

Pool::Pool(unsigned threads, std::size_t waiting) : limit_(waiting) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status Pool::run(Work work, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    auto& queue = tasks_[static_cast<std::size_t>(work)];
    if (work == Work::kNew && queue.size() >= limit_) {
      return fail(Error{Code::kResourceExhausted,
                        std::to_string(limit_) + " requests wait to be read already",
                        "pool_full",
                        {},
                        std::chrono::seconds(1)});
    }
    queue.push_back(std::move(task));
  }
  wake_.notify_one();
  return {};
}

std::size_t Pool::waiting() const {
  const std::lock_guard lock(mutex_);
  return tasks_[0].size() + tasks_[1].size();
}

std::function<void()> Pool::next() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return closing_ || !tasks_[0].empty() || !tasks_[1].empty(); });
  for (auto& queue : tasks_) {
    if (queue.empty()) continue;
    auto task = std::move(queue.front());
    queue.pop_front();
    return task;
  }
  return {};
}

void Pool::work() {
  while (auto task = next()) survives("the pool", task);
}

}  // namespace serin::worker
