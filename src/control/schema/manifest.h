// SPDX-License-Identifier: Apache-2.0
// A GenerativeService as people write it (docs/schema/generative-service.json), read from YAML into
// types.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/schema/schema.h"
#include "platform/platform.h"
#include "rollout/analysis.h"
#include "rollout/plan.h"

namespace serin::control {

enum class Strategy : std::uint8_t { kCanary, kBlueGreen, kShadow, kRecreate };
// "canary" and so on; kInvalidArgument for what is none.
std::string_view name_of(Strategy strategy);
Result<Strategy> strategy_of(std::string_view name);
// The weight grows step by step, as far as the evidence allows.
bool goes_by_evidence(Strategy strategy);

enum class StickyBy : std::uint8_t { kUser, kRequest };

// A scorer of the user's: a command, a server or a service of Serin, one of them.
struct ScorerSpec {
  std::string name;
  std::vector<std::string> command;
  std::string url;
  std::string service = {};
  double sample = 0.1;           // the part of the requests that it gets
  rollout::Seconds timeout{10};  // of a command for all that it is given at once, else for each
  bool operator==(const ScorerSpec&) const = default;
};

struct RolloutSpec {
  Strategy strategy = Strategy::kCanary;
  rollout::CanarySpec canary;
  rollout::Seconds progress_deadline{600};
  rollout::Seconds undo_window{600};  // for so long the version that was replaced runs on
  StickyBy sticky_by = StickyBy::kRequest;
  std::string user_header;  // empty: none
  rollout::AnalysisSpec analysis;
  std::vector<std::string> scorers;     // of the analysis's score metrics, in their order
  std::vector<ScorerSpec> own_scorers;  // of its late scores, in the order of their metrics
};

// The scorers of `quality` that are the worker, by the form of an answer, and the users.
inline constexpr std::string_view kWellFormed = "wellFormed";
inline constexpr std::string_view kFeedback = "feedback";

struct Manifest {
  std::string name;
  std::string name_space;
  std::string model;
  std::int64_t min_replicas = 1;
  std::int64_t max_replicas = 1;
  platform::Resources resources;
  RolloutSpec rollout;
  json::value written;   // the whole of it, as it was written
  json::value document;  // the same, with defaults
};

// Kubernetes' quantities: "2", "0.5", "500m" processors; "4Gi", "512M" bytes. kInvalidArgument for
// anything else.
Result<double> parse_cpus(std::string_view text);
Result<std::uint64_t> parse_bytes(std::string_view text);

// The schema of a GenerativeService; made once.
const Schema& manifest_schema();

// Everything that is wrong with a manifest: what the schema says, and contradictions between
// fields.
std::vector<Finding> check_manifest(const YamlNode& document);

// kInvalidArgument with every finding, a line each: "FILE:LINE:COLUMN: PATH: what". `file` is for
// messages.
Result<Manifest> read_manifest(std::string_view text, std::string_view file);

}  // namespace serin::control
