// SPDX-License-Identifier: Apache-2.0
// What people ask of a service, as transitions of its record: pure. An Error says why it cannot be
// done now: kFailedPrecondition, or kNotFound where there is nothing to do it to.
#pragma once

#include <string>
#include <string_view>

#include "control/reconcile.h"

namespace serin::control {

enum class Verb : std::uint8_t { kStart, kPause, kResume, kPromote, kAbort, kUndo };
std::string_view name_of(Verb verb);
Result<Verb> verb_of(std::string_view name);

// | verb    | what                                                                     |
// | start   | the manifest's package again, after it was rolled back or undone         |
// | pause   | the weight stays; harm still rolls back                                  |
// | resume  | the step begins anew                                                     |
// | promote | at once, whatever the evidence                                           |
// | abort   | back to the stable version                                               |
// | undo    | while a rollout runs: abort; else back to the version before             |
Result<Step> ask(const ServiceRecord& record, const Manifest& manifest, const Seen& seen, Verb verb,
                 std::string_view who, Moment now);

// A manifest, and what its model was found to be. `record` is empty for a new service. The step
// changes nothing when the service asks for that already.
Result<Step> apply(const ServiceRecord& record, const Manifest& manifest,
                   const platform::Model& model, std::string_view who, Moment now);
Result<Step> remove(const ServiceRecord& record, std::string_view who, Moment now);

}  // namespace serin::control
