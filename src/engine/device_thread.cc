// SPDX-License-Identifier: Apache-2.0
#include "engine/device_thread.h"

#include <sys/prctl.h>

#include <utility>

#include "base/last_resort.h"

namespace serin::engine {

DeviceThread::DeviceThread(Parts parts)
    : parts_(parts),
      memory_(parts_.caller->model().device_memory_bytes()),
      thread_([this] { run(); }) {}

DeviceThread::~DeviceThread() {
  parts_.admission->stop();
  thread_.join();
}

void DeviceThread::run() {
  // Company is waited for in tens of microseconds; Linux would add up to fifty.
  ::prctl(PR_SET_TIMERSLACK, 1000UL);
  while (!stopped_) {
    try {
      turn();
    } catch (...) {
      // The last resort: whatever threw, the thread lives on. What it took along says so itself
      // (job.h), and what is in flight cannot be trusted any more.
      log_caught("the engine");
      parts_.loop->abandon(caught("the engine"));
    }
    tell_running();
  }
  const Error error{Code::kUnavailable, "the worker is shutting down", "draining"};
  parts_.loop->abandon(error);
  for (auto& job : parts_.admission->take_all()) job->fail(error);
  tell_running();
}

void DeviceThread::turn() {
  Loop& loop = *parts_.loop;
  const bool idle = loop.running() == 0;
  Admission::Taken taken =
      parts_.admission->take(loop.places(), idle, loop.starts_together(), parts_.probe->due());
  told_ += taken.run.size();
  drop(taken);
  if (taken.stopped) {
    for (auto& job : taken.run)
      job->fail({Code::kUnavailable, "the worker is shutting down", "draining"});
    stopped_ = true;
    return;
  }
  const Instant now = parts_.caller->clock().now();
  if (!taken.run.empty()) {
    for (const auto& job : taken.run) {
      if (parts_.observer != nullptr) parts_.observer->left_queue(now - job->arrived);
    }
    loop.start(std::move(taken.run));
  } else if (JobPtr probe = idle ? parts_.probe->take(now) : nullptr) {
    std::vector<JobPtr> jobs;
    jobs.push_back(std::move(probe));
    loop.start(std::move(jobs));
  }
  if (loop.running() == 0) return;
  loop.step();
  memory_ = parts_.caller->model().device_memory_bytes();
}

void DeviceThread::drop(Admission::Taken& taken) {
  for (auto& job : taken.cancelled) job->fail({Code::kCancelled, "the request was cancelled"});
  for (auto& job : taken.expired) {
    job->fail({Code::kDeadlineExceeded, "the deadline passed before the request was run"});
  }
}

void DeviceThread::tell_running() {
  const std::size_t now = parts_.loop->running();
  parts_.admission->running_changed(std::exchange(told_, now), now);
}

}  // namespace serin::engine
