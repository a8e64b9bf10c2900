// SPDX-License-Identifier: Apache-2.0
#include "gateway/lane.h"

#include "gateway/feedback/desk.h"
#include "gateway/forward.h"
#include "gateway/own_answers.h"

namespace serin::gateway {

Lane::Lane(Core& core, std::uint64_t random_seed) : core_(core), random_state_(random_seed) {}
Lane::~Lane() = default;

// SplitMix64: every bit is uniform, and a step costs a nanosecond.
std::uint64_t Lane::random() {
  std::uint64_t mixed = (random_state_ += 0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

void Lane::serve(std::shared_ptr<net::Exchange> exchange) {
  ended_.clear();
  if (answer_own(core_, *table_, *exchange)) return;
  if (is_feedback(exchange->head())) return answer_feedback(*this, std::move(exchange));
  auto made = std::make_unique<Forward>(*this, std::move(exchange), open_.size());
  Forward& forward = *made;
  open_.push_back(std::move(made));
  forward.begin();
}

void Lane::retire(Forward& forward) {
  const std::size_t slot = forward.slot();
  ended_.push_back(std::move(open_[slot]));
  if (slot + 1 < open_.size()) {
    open_[slot] = std::move(open_.back());
    open_[slot]->set_slot(slot);
  }
  open_.pop_back();
}

void Lane::tick() {
  ended_.clear();
  const Instant now = core_.clock.now();
  // From the end: what is retired meanwhile is replaced by one that was looked at.
  for (std::size_t i = open_.size(); i-- > 0;) open_[i]->on_tick(now);
  copies_.tick(now);
  for (const auto& [name, service] : table_->services) service.state->publish(now);
  core_.log.write(log_lines_);
}

}  // namespace serin::gateway
