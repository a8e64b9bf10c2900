// SPDX-License-Identifier: Apache-2.0
// How a service gets from where it is to what its manifest asks for: pure functions of what is
// stored, what the platform says, what the analysis says and the time.
//
// Level-triggered: next_step() names one transition, or none. It is written down, and from then on
// wish_of() the record is what the platform is told, again and again, for all it is told is
// idempotent. So whoever is interrupted anywhere needs the record alone to go on.
//
// | where the service stands                 | the next step                                      |
// | it is being deleted, nothing runs        | it is forgotten                                    |
// | it has no version                        | the package becomes v1                             |
// | v1 never served, another package         | that one becomes the first version instead         |
// | v1 is ready for the first time           | it serves those who waited, and is counted         |
// | another package, a rollout runs          | the candidate is superseded, never the stable one  |
// | another package, none runs               | a rollout begins                                   |
// | a rollout runs                           | canary, shadow: what rollout::plan() says          |
// |                                          | blueGreen: all traffic, once the candidate is ready|
// |                                          | recreate: the stable version ends, then the same   |
// |                                          | in a crash loop, or not ready in time: back        |
// | a replaced version was kept long enough  | it ends                                            |
#pragma once

#include <optional>
#include <vector>

#include "control/record.h"
#include "rollout/plan.h"

namespace serin::control {

// The world in one pass.
struct Seen {
  std::vector<platform::VersionStatus> versions;
  rollout::AnalysisReport report;  // of the rollout that runs; undecided where there is none

  const platform::VersionStatus* version(std::string_view label) const;
};

// One transition.
struct Step {
  ServiceRecord next;
  std::vector<Event> events;
  bool erase = false;  // the service is gone
};

// Nothing when all is as it should be, or has to wait.
std::optional<Step> next_step(const ServiceRecord& record, const Manifest& manifest,
                              const Seen& seen, Moment now);

// What the platform is to bring about. Versions that are not in it are removed, once traffic is
// where it belongs.
struct Wish {
  std::vector<platform::VersionSpec> versions;
  std::optional<platform::Traffic> traffic;
};
// `scorers`: the user's that run, who have the gateway keep a part of the requests.
Wish wish_of(const ServiceRecord& record, const Manifest& manifest,
             const std::vector<ScorerSpec>& scorers);

// Workers of versions that serve and ended though nobody asked them to, between two looks. In a
// crash loop there is an event of its own, and of a candidate the rollout tells.
std::vector<Event> worker_ends(const ServiceRecord& record,
                               const std::vector<platform::VersionStatus>& before,
                               const std::vector<platform::VersionStatus>& after, Moment now);

// Endings of a rollout that runs, for next_step() and for people's verbs (control/verbs.h).
void promote(Step& step, const Manifest& manifest, Moment now, std::string reason,
             std::string message);
void roll_back(Step& step, Moment now, std::string reason, std::string message);
// A rollout to the version `label`, which is in the record.
void begin_rollout(Step& step, const Manifest& manifest, Moment now, const std::string& label,
                   bool undo);
// The candidate runs as the manifest asks.
bool is_ready(const platform::VersionStatus* version, const Manifest& manifest);

Event event_of(const ServiceRecord& record, Moment now, std::string version, std::string reason,
               std::string message, bool warning = false);
// "sha256:0123456789ab": enough to tell packages apart.
std::string short_digest(std::string_view digest);

}  // namespace serin::control
