// SPDX-License-Identifier: Apache-2.0
#include "platform/local/plan.h"

#include <algorithm>

namespace serin::platform::local {
namespace {

// What is not held by anybody, as the plan goes on.
class Free {
 public:
  Free(const std::vector<Wish>& wishes, const Room& room)
      : taken_(static_cast<std::size_t>(std::max(0, room.gpus)), false),
        memory_known_(room.memory_bytes > 0),
        memory_(static_cast<std::int64_t>(room.memory_bytes)),
        replicas_(room.replicas) {
    for (const Wish& wish : wishes) {
      for (const Seat& seat : wish.seats) hold(seat.resources, seat.gpus);
    }
  }

  // Empty when it fits.
  std::string why_not(const Resources& wanted) const {
    const auto free = static_cast<int>(std::ranges::count(taken_, false));
    if (wanted.gpus > free) {
      return "no room: it needs " + std::to_string(wanted.gpus) + " GPUs, and " +
             std::to_string(free) + " of " + std::to_string(taken_.size()) + " are free";
    }
    const std::int64_t left = std::max<std::int64_t>(0, memory_);
    if (memory_known_ && static_cast<std::int64_t>(wanted.memory_bytes) > left) {
      return "no room: it needs " + std::to_string(wanted.memory_bytes >> 20) + " MiB, and " +
             std::to_string(left >> 20) + " MiB are not promised to others";
    }
    if (replicas_ < 1) return "no room: there are as many replicas as this machine may have";
    return {};
  }

  std::vector<int> take(const Resources& wanted) {
    std::vector<int> gpus;
    for (std::size_t i = 0; i < taken_.size() && static_cast<int>(gpus.size()) < wanted.gpus; ++i) {
      if (!taken_[i]) gpus.push_back(static_cast<int>(i));
    }
    hold(wanted, gpus);
    return gpus;
  }

  void give_back(const Seat& seat) {
    mark(seat.gpus, false);
    memory_ += static_cast<std::int64_t>(seat.resources.memory_bytes);
    ++replicas_;
  }

 private:
  void hold(const Resources& resources, const std::vector<int>& gpus) {
    mark(gpus, true);
    memory_ -= static_cast<std::int64_t>(resources.memory_bytes);
    --replicas_;
  }
  void mark(const std::vector<int>& gpus, bool taken) {
    for (const int gpu : gpus) {
      if (gpu >= 0 && static_cast<std::size_t>(gpu) < taken_.size())
        taken_[static_cast<std::size_t>(gpu)] = taken;
    }
  }

  std::vector<bool> taken_;
  bool memory_known_;
  std::int64_t memory_;  // below 0: more is promised than there is
  int replicas_;
};

bool stays(const Seat& seat) { return seat.state != ReplicaState::kStopping; }
bool ready(const Seat& seat) { return seat.state == ReplicaState::kReady; }

// Those that a version can do without first: not ready before ready, young before old.
std::vector<Seat> dispensable(std::vector<Seat> seats) {
  std::ranges::sort(seats, [](const Seat& a, const Seat& b) {
    return ready(a) != ready(b) ? !ready(a) : a.serial > b.serial;
  });
  return seats;
}

class OneVersion {
 public:
  OneVersion(std::size_t index, const Wish& wish, Free& free, Plan& plan)
      : index_(index), wish_(wish), free_(free), plan_(plan) {
    for (const Seat& seat : wish.seats) {
      if (stays(seat)) (seat.current ? current_ : old_).push_back(seat);
      going_ = going_ || !stays(seat);
    }
    current_ = dispensable(std::move(current_));
    old_ = dispensable(std::move(old_));
  }

  void decide() {
    retire_surplus();
    retire_replaced();
    start_missing();
  }

 private:
  int wanted() const { return wish_.replicas; }
  static int size(const std::vector<Seat>& seats) { return static_cast<int>(seats.size()); }
  static int count_ready(const std::vector<Seat>& seats) {
    return static_cast<int>(std::ranges::count_if(seats, ready));
  }
  void retire(std::vector<Seat>& from, const std::string& why, bool made_room = false) {
    plan_.retires.push_back({from.front().serial, why, made_room});
    from.erase(from.begin());
    going_ = true;
  }

  void retire_surplus() {
    while (size(current_) > wanted()) retire(current_, "fewer replicas are wanted");
    if (wanted() > 0) return;
    while (!old_.empty()) retire(old_, "no replicas are wanted");
  }

  // An old one that is not ready serves nobody; a ready one goes when enough others are.
  void retire_replaced() {
    while (!old_.empty()) {
      const int others = count_ready(current_) + count_ready(old_) - 1;
      if (ready(old_.front()) && others < wanted()) return;
      retire(old_, "it was replaced");
    }
  }

  // With old ones still there, one more than wanted at most.
  void start_missing() {
    for (int missing = wanted() - size(current_); missing > 0; --missing) {
      if (!old_.empty() && size(current_) + size(old_) > wanted()) return;
      const std::string why = free_.why_not(wish_.resources);
      if (!why.empty()) return make_room(why, missing);
      Seat seat;
      seat.resources = wish_.resources;
      seat.gpus = free_.take(wish_.resources);
      plan_.starts.push_back({index_, seat.gpus});
      current_.push_back(std::move(seat));
    }
  }

  void make_room(const std::string& why, int missing) {
    if (going_) return;  // soon there may be room
    Free later = free_;
    for (const Seat& seat : old_) later.give_back(seat);
    if (!old_.empty() && later.why_not(wish_.resources).empty())
      return retire(old_, "there is no room for its successor beside it", true);
    plan_.refusals.push_back({index_, missing, why});
  }

  std::size_t index_;
  const Wish& wish_;
  Free& free_;
  Plan& plan_;
  std::vector<Seat> current_, old_;
  bool going_ = false;  // somebody of it is about to leave room
};

}  // namespace

Plan plan(const std::vector<Wish>& wishes, const Room& room) {
  Plan made;
  Free free(wishes, room);
  for (std::size_t i = 0; i < wishes.size(); ++i) OneVersion(i, wishes[i], free, made).decide();
  return made;
}

}  // namespace serin::platform::local
