// SPDX-License-Identifier: Apache-2.0
#include "engine/admission.h"

#include <algorithm>
#include <utility>

namespace serin::engine {

std::chrono::milliseconds time_for(double cost, double cost_per_second) {
  if (cost_per_second <= 0) return std::chrono::seconds(1);
  const double ms = std::clamp(cost / cost_per_second * 1000, 100.0, 60'000.0);
  return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
}

Status Admission::push(JobPtr job, double cost_per_second) {
  std::unique_lock lock(mutex_);
  if (auto refused = refusal(*job, cost_per_second)) {
    job->withdraw();
    return fail(*std::move(refused));
  }
  job->arrived = clock_->now();
  arrivals_.came(job->arrived, running_ > 0 || !queue_.empty(), limits_.max_wait);
  waiting_cost_ += job->cost;
  const bool hurried = job->request.deadline.has_value();
  queue_.push_back(std::move(job));
  const bool wake = wakes_at_ > 0 && (hurried || queue_.size() >= wakes_at_);
  if (wake) wakes_at_ = 0;
  // Who is woken under the lock would only wait for it.
  lock.unlock();
  if (wake) changed_.notify_one();
  return {};
}

std::optional<Error> Admission::refusal(const Job& job, double cost_per_second) const {
  if (closed_) {
    return Error{Code::kUnavailable,
                 "the worker is shutting down and takes no new requests",
                 "draining",
                 {},
                 std::chrono::seconds(1)};
  }
  // A request dearer than the whole limit still runs when nobody waits.
  const bool too_dear = !queue_.empty() && waiting_cost_ + job.cost > limits_.cost;
  if (queue_.size() < limits_.requests && !too_dear) return std::nullopt;
  return Error{Code::kResourceExhausted,
               std::to_string(queue_.size()) + " requests are waiting already",
               "queue_full",
               {},
               time_for(waiting_cost_, cost_per_second)};
}

void Admission::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void Admission::stop() {
  const std::lock_guard lock(mutex_);
  closed_ = stopped_ = true;
  changed_.notify_all();
}

Admission::Taken Admission::take(std::size_t places, bool idle, bool wait_for_company,
                                 Instant latest) {
  const BatchingRules rules{places, wait_for_company ? limits_.max_wait : Duration(0)};
  std::unique_lock lock(mutex_);
  while (true) {
    const Instant now = clock_->now();
    const BatchPlan plan = plan_batch(snapshot(), now, arrivals_, rules);
    Taken taken = extract(plan);
    taken.stopped = stopped_;
    const bool something = !taken.run.empty() || !taken.cancelled.empty() || !taken.expired.empty();
    if (something || !idle || stopped_ || latest <= now) {
      leave_to_sleepers();
      return taken;
    }
    const Instant until = plan.wait_until ? std::min(*plan.wait_until, latest) : latest;
    // Company only puts the time off, until there is enough of it.
    sleep(lock, until - now, queue_.empty() ? 1 : places);
  }
}

void Admission::sleep(std::unique_lock<std::mutex>& lock, Duration at_most, std::size_t wakes_at) {
  ++sleepers_;
  wakes_at_ = wakes_at;
  changed_.wait_for(lock, std::min<Duration>(at_most, std::chrono::seconds(10)));
  --sleepers_;
  wakes_at_ = 0;
}

// Who goes off to work hands on the watch: to one who looks at what is left, or, where nothing is,
// to whoever the next request wakes.
void Admission::leave_to_sleepers() {
  if (sleepers_ == 0) return;
  wakes_at_ = queue_.empty() ? 1 : 0;
  if (!queue_.empty()) changed_.notify_one();
}

std::vector<Waiting> Admission::snapshot() const {
  std::vector<Waiting> waiting;
  waiting.reserve(queue_.size());
  for (const auto& job : queue_) {
    waiting.push_back(
        {job->shape_class, job->arrived, job->request.deadline, job->request.cancel.cancelled()});
  }
  return waiting;
}

Admission::Taken Admission::extract(const BatchPlan& plan) {
  Taken taken;
  const auto move_to = [&](const std::vector<std::size_t>& places, std::vector<JobPtr>& to) {
    for (const std::size_t place : places) {
      waiting_cost_ -= queue_[place]->cost;
      to.push_back(std::move(queue_[place]));
    }
  };
  move_to(plan.run, taken.run);
  move_to(plan.cancelled, taken.cancelled);
  move_to(plan.expired, taken.expired);
  std::erase(queue_, nullptr);
  if (queue_.empty()) waiting_cost_ = 0;  // without what rounding left
  running_ += taken.run.size();
  return taken;
}

void Admission::running_changed(std::size_t before, std::size_t now) {
  const std::lock_guard lock(mutex_);
  running_ = running_ - before + now;
  if (running_ == 0 && queue_.empty()) emptied_.notify_all();
}

std::vector<JobPtr> Admission::take_all() {
  const std::lock_guard lock(mutex_);
  waiting_cost_ = 0;
  return std::exchange(queue_, {});
}

Admission::Numbers Admission::numbers() const {
  const std::lock_guard lock(mutex_);
  return {queue_.size(), running_, waiting_cost_};
}

bool Admission::wait_empty(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, at_most, [&] { return queue_.empty() && running_ == 0; });
}

}  // namespace serin::engine
