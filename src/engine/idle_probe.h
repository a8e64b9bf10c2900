// SPDX-License-Identifier: Apache-2.0
// What an idle engine runs so that its pulse goes on: its smallest golden request, at most once an
// interval, on whichever device thread is idle and comes first. One an engine; from any thread.
#pragma once

#include <atomic>
#include <optional>

#include "engine/job.h"
#include "engine/model_caller.h"

namespace serin::engine {

class IdleProbe {
 public:
  // Without a request it is never due. `caller` must outlive it.
  IdleProbe(std::optional<Request> request, Duration interval, const ModelCaller& caller)
      : request_(std::move(request)), interval_(interval), caller_(&caller) {}

  Instant due() const;  // an interval after the model last advanced
  // The request where it is due, once; else null.
  JobPtr take(Instant now);

 private:
  const std::optional<Request> request_;
  const Duration interval_;
  const ModelCaller* caller_;
  std::atomic<Duration> last_{Duration(0)};  // when it was taken
};

}  // namespace serin::engine
