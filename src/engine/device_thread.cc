// SPDX-License-Identifier: Apache-2.0
#include "engine/device_thread.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "base/last_resort.h"
#include "base/log.h"

namespace serin::engine {
namespace {

Sink probe_sink() {
  return [](const Event& event) {
    if (const auto* failed = std::get_if<Failed>(&event)) {
      log::warning("the idle engine's golden request failed", {{"error", failed->error.message}});
    }
  };
}

}  // namespace

DeviceThread::DeviceThread(Parts parts)
    : parts_(std::move(parts)),
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
    parts_.admission->running_is(parts_.loop->running());
  }
  const Error error{Code::kUnavailable, "the worker is shutting down", "draining"};
  parts_.loop->abandon(error);
  for (auto& job : parts_.admission->take_all()) job->fail(error);
  parts_.admission->running_is(0);
}

void DeviceThread::turn() {
  Loop& loop = *parts_.loop;
  const bool idle = loop.running() == 0;
  Admission::Taken taken =
      parts_.admission->take(loop.places(), idle, loop.starts_together(), probe_at());
  drop(taken);
  if (taken.stopped) {
    for (auto& job : taken.run)
      job->fail({Code::kUnavailable, "the worker is shutting down", "draining"});
    stopped_ = true;
    return;
  }
  if (!taken.run.empty()) {
    const Instant now = parts_.caller->clock().now();
    for (const auto& job : taken.run) {
      if (parts_.observer != nullptr) parts_.observer->left_queue(now - job->arrived);
    }
    loop.start(std::move(taken.run));
  } else if (idle && probe_is_due()) {
    start_probe();
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

Instant DeviceThread::probe_at() const {
  if (!parts_.probe) return Instant::max();
  return std::max(parts_.caller->pulse().last_advance, last_probe_) + parts_.probe_interval;
}

bool DeviceThread::probe_is_due() const { return parts_.caller->clock().now() >= probe_at(); }

void DeviceThread::start_probe() {
  last_probe_ = parts_.caller->clock().now();
  auto job = std::make_unique<Job>();
  job->request = *parts_.probe;
  job->sink = probe_sink();
  job->arrived = last_probe_;
  std::vector<JobPtr> jobs;
  jobs.push_back(std::move(job));
  parts_.loop->start(std::move(jobs));
}

}  // namespace serin::engine
