// SPDX-License-Identifier: Apache-2.0
// The life of one replica: what to do with its process next, and what to call its state. Pure
// functions of what is known of it and the time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/restarts.h"
#include "platform/platform.h"

namespace serin::platform::local {

struct LifePolicy {
  std::chrono::milliseconds ask_every{1'000};   // how a ready one is
  std::chrono::milliseconds ask_starting{100};  // one that is not yet ready
  std::chrono::milliseconds answer_within{2'000};
  std::chrono::milliseconds unready_after{5'000};   // without an answer
  std::chrono::milliseconds dead_after{30'000};     // without an answer, stuck or stopped
  std::chrono::milliseconds start_within{900'000};  // models are read, programs compiled
  std::chrono::milliseconds leave_within{
      1'000};                               // until the gateway sends no more to one that goes
  std::chrono::milliseconds grace{35'000};  // between SIGTERM and SIGKILL
  RestartPolicy restarts;
};

// What is known of a replica. Times are those of the supervisor's clock.
struct Life {
  bool running = false;
  Instant started{};                     // of the process, or when it was adopted
  Instant next_start{};                  // of one that does not run
  bool ready = false;                    // as it last answered
  bool was_ready = false;                // at any time since its start
  std::optional<Instant> answered;       // anything at all, last
  std::optional<Instant> stuck_since;    // it answers that it is stuck
  std::optional<Instant> stopped_since;  // by a signal
  bool over_memory = false;
  std::optional<Instant> leaving_since;  // nobody wants it any more
  bool left = false;                     // the gateway sends it no more requests
  std::optional<Instant> terminated;     // SIGTERM was sent
  bool killed = false;
};

enum class Step : std::uint8_t { kNothing, kStart, kTerminate, kKill, kForget };
struct Decision {
  Step step = Step::kNothing;
  std::string why;  // of a kill
};
Decision next_step(const Life& life, Instant now, const LifePolicy& policy);

ReplicaState state_of(const Life& life, bool crash_loop, Instant now, const LifePolicy& policy);
// Why it is not ready, where that follows from its life alone; else empty.
std::string reason_of(const Life& life, Instant now, const LifePolicy& policy);

}  // namespace serin::platform::local
