// SPDX-License-Identifier: Apache-2.0
// What to start and what to end so that every version has the replicas that it ought to have: a
// pure function of how it is. Called again after every change; what it asks for twice is done once.
//
// A replica is current when it was started as the version is now asked for, else old. Where there
// is room, one more than wanted runs while old ones are replaced, and an old one goes only when
// there are as many ready ones without it. Where there is not, an old one goes first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/platform.h"

namespace serin::platform::local {

struct Seat {
  std::int64_t serial = 0;  // grows with every replica that was ever made
  bool current = true;
  ReplicaState state = ReplicaState::kStarting;
  Resources resources;    // that it holds, whatever its state
  std::vector<int> gpus;  // which; places in Room::gpus
};

struct Wish {
  std::string service, label;
  int replicas = 0;
  Resources resources;
  std::vector<Seat> seats;
};

// What this machine has for all of them together.
struct Room {
  int gpus = 0;
  std::uint64_t memory_bytes = 0;  // 0: not known, never short
  int replicas = 256;
};

struct Start {
  std::size_t wish = 0;
  std::vector<int> gpus;
};
struct Retire {
  std::int64_t serial = 0;
  std::string why;
  bool made_room = false;  // its successor could not be started beside it
};
// What there is no room for, and why; one a version.
struct Refusal {
  std::size_t wish = 0;
  int missing = 0;
  std::string why;
};
struct Plan {
  std::vector<Start> starts;
  std::vector<Retire> retires;
  std::vector<Refusal> refusals;
};

Plan plan(const std::vector<Wish>& wishes, const Room& room);

}  // namespace serin::platform::local
