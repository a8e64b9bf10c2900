// SPDX-License-Identifier: Apache-2.0
#include "control/api/tasks.h"

#include <utility>

#include "base/last_resort.h"
#include "net/http/error_body.h"

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

void Tasks::answer(const std::shared_ptr<net::Exchange>& exchange, Call call,
                   std::function<void(const net::Response&)> seen) {
  const Status taken = run([exchange, call = std::move(call), seen = std::move(seen)] {
    auto answer = attempt("a request to the control plane", call);
    auto response = std::make_shared<net::Response>(answer ? *std::move(answer)
                                                           : net::error_response(answer.error()));
    seen(*response);
    exchange->post([exchange, response] {
      if (!exchange->gone()) exchange->respond(std::move(*response));
    });
  });
  if (!taken) exchange->respond(net::error_response(taken.error()));
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
