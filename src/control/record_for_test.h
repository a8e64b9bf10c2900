// SPDX-License-Identifier: Apache-2.0
// For tests: a service in the middle of a rollout, with all that a record can have.
#pragma once

#include <string>
#include <utility>

#include "control/record.h"
#include "rollout/agreements.h"

namespace serin::control {

inline Moment at(int seconds) { return Moment(std::chrono::seconds(seconds)); }

inline ServiceRecord a_service() {
  ServiceRecord service;
  service.name = "story";
  service.generation = 3;
  service.manifest = "{}";
  service.model = {.source = "story:v2", .digest = "sha256:22", .root = "/packages/22"};
  service.attempted = 2;
  service.labels = 2;
  service.rollouts = 1;
  service.stable = "v1";
  service.routed = true;
  service.versions = {
      {.label = "v1",
       .model = {.source = "story:v1", .digest = "sha256:11", .root = "/packages/11"},
       .since = at(10),
       .state = VersionState::kStable,
       .trouble = "CrashLoop"},
      {.label = "v2",
       .model = service.model,
       .since = at(20),
       .state = VersionState::kCandidate,
       .trouble = {}}};
  RolloutRecord rollout;
  rollout.number = 1;
  rollout.candidate = "v2";
  rollout.stable = "v1";
  rollout.strategy = Strategy::kRecreate;
  rollout.manifest = "{\"a\":1}";
  rollout.phase = Phase::kVacating;
  rollout.salt = "story/1";
  rollout.weight = 20;
  rollout.began = at(20);
  rollout.weight_since = at(30);
  rollout.unready_since = at(31);
  rollout.paused_by = "ada";
  rollout.reason = "Paused";
  rollout.message = "because";
  rollout.analysis = std::string("statistics\0\xff", 12);  // bytes
  rollout.evidence_next = "77";
  rollout.stable_crashes = 1;
  rollout.candidate_crashes = 2;
  rollout.agreements = rollout::Agreements().save();
  service.rollout = rollout;
  return service;
}

inline Event an_event(std::string reason) {
  return {.time = at(40),
          .service = "story",
          .version = "v2",
          .reason = std::move(reason),
          .message = "why",
          .warning = true};
}

}  // namespace serin::control
