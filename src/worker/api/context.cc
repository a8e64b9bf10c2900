// SPDX-License-Identifier: Apache-2.0
#include "worker/api/context.h"

namespace serin::worker::api {

Readiness Context::readiness() const {
  if (upstream != nullptr && !draining) {
    if (const UpstreamHealth health = upstream->health(); !health.up)
      return {false, "upstream: " + health.reason};
  }
  if (engine == nullptr) return {!draining, draining ? "draining" : "ready"};
  return worker::readiness(engine->state(), draining.load(), clock.now(), options.ready_within);
}

}  // namespace serin::worker::api
