// SPDX-License-Identifier: Apache-2.0
// Tells targets of events: an HTTP POST as Standard Webhooks has it, or a command with the event on
// its standard input and in its environment.
#pragma once

#include <memory>

#include "base/cancel.h"
#include "base/clock.h"
#include "control/notify/target.h"
#include "control/record.h"
#include "net/http/client.h"

namespace serin::control::notify {

inline constexpr std::string_view kGone = "gone";

class Teller {
 public:
  static Result<Teller> create(const Clock& clock);

  // Blocks for the target's timeout at most; safe from any thread. What it took is answered with
  // 2xx, or an exit code of 0. An error with the reason kGone: it never will (410). Any other is
  // worth another try, not before retry_after.
  Status tell(const Target& target, const Event& event, const CancelToken& cancel) const;

 private:
  Teller(const Clock& clock, std::unique_ptr<net::Client> client)
      : clock_(&clock), client_(std::move(client)) {}
  Status post(const Target& target, const Event& event, const CancelToken& cancel) const;

  const Clock* clock_;
  std::unique_ptr<net::Client> client_;
};

// Whether a target's secrets can be read now: for whoever asks for it, at once.
Status check(const Target& target);

}  // namespace serin::control::notify
