// SPDX-License-Identifier: Apache-2.0
#include "engine/batcher.h"

#include <algorithm>
#include <chrono>

namespace serin::engine {
namespace {

constexpr double kMemory = 0.9;     // of what was known, kept at each arrival: about ten requests
constexpr double kLikely = 0.5;     // company at least so often is worth waiting for
constexpr int kPatienceInGaps = 4;  // nobody for so many usual gaps: nobody comes
constexpr Duration kLeastPatience = std::chrono::microseconds(50);

struct Class {
  std::uint64_t id = 0;
  std::vector<std::size_t> members;
};

// Classes in the order of their heads' arrival.
std::vector<Class> classes_of(std::span<const Waiting> queue, std::span<const std::size_t> alive) {
  std::vector<Class> classes;
  for (const std::size_t index : alive) {
    auto found = std::find_if(classes.begin(), classes.end(),
                              [&](const Class& one) { return one.id == queue[index].shape_class; });
    if (found == classes.end())
      found = classes.insert(classes.end(), {queue[index].shape_class, {}});
    found->members.push_back(index);
  }
  return classes;
}

Instant patience_ends(const Waiting& head, const Waiting& last, const Arrivals& arrivals,
                      const BatchingRules& rules) {
  if (arrivals.company() < kLikely) return head.arrived;
  const Duration patience = std::max(kLeastPatience, arrivals.gap() * kPatienceInGaps);
  Instant until = std::min(head.arrived + rules.max_wait, last.arrived + patience);
  // The head needs time to run, too, before its deadline.
  if (head.deadline) until = std::min(until, head.arrived + (*head.deadline - head.arrived) / 2);
  return until;
}

}  // namespace

void Arrivals::came(Instant now, bool others, Duration max_wait) {
  const Duration since = now - last_;
  const bool met = others && since <= max_wait;
  company_ = kMemory * company_ + (met ? 1 - kMemory : 0);
  if (met) {
    gap_ = gap_ == Duration(0)
               ? since
               : std::chrono::duration_cast<Duration>(gap_ * kMemory + since * (1 - kMemory));
  }
  last_ = now;
}

BatchPlan plan_batch(std::span<const Waiting> queue, Instant now, const Arrivals& arrivals,
                     const BatchingRules& rules) {
  BatchPlan plan;
  std::vector<std::size_t> alive;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (queue[i].cancelled) {
      plan.cancelled.push_back(i);
    } else if (queue[i].deadline && *queue[i].deadline <= now) {
      plan.expired.push_back(i);
    } else {
      alive.push_back(i);
    }
  }
  if (rules.capacity == 0) return plan;
  for (auto& one : classes_of(queue, alive)) {
    const Waiting &head = queue[one.members.front()], &last = queue[one.members.back()];
    const Instant until = patience_ends(head, last, arrivals, rules);
    if (one.members.size() >= rules.capacity || until <= now) {
      one.members.resize(std::min(one.members.size(), rules.capacity));
      plan.run = std::move(one.members);
      plan.wait_until.reset();
      return plan;
    }
    plan.wait_until = plan.wait_until ? std::min(*plan.wait_until, until) : until;
  }
  return plan;
}

}  // namespace serin::engine
