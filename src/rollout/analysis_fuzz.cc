// SPDX-License-Identifier: Apache-2.0
// Any bytes, with the right digest: Analysis::load() refuses them or gives an analysis that can be
// gone on with. Of the first four metrics, which the first releases had, or of all.
#include "base/digest.h"
#include "rollout/analysis.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::rollout;
  AnalysisSpec spec{
      .metrics = {{.name = "errorRate", .kind = MetricKind::kErrorRate, .margin = 0.002},
                  {.name = "latency", .kind = MetricKind::kLatency, .margin = 0.2},
                  {.name = "quality", .kind = MetricKind::kScore, .margin = 0.02},
                  {.name = "crashes", .kind = MetricKind::kCrashes}}};
  std::string saved(reinterpret_cast<const char*>(data), size);
  saved += serin::sha256_hex(saved);
  auto analysis = Analysis::load(spec, saved);
  if (!analysis) {
    spec.metrics.push_back({.name = "feedback", .kind = MetricKind::kRating, .margin = 0.02});
    spec.metrics.push_back({.name = "judge", .kind = MetricKind::kLateScore, .margin = 0.02});
    analysis = Analysis::load(spec, saved);
  }
  if (!analysis) return 0;
  for (int i = 0; i < 20; ++i) {
    Request request;
    request.assigned = i;
    request.arm = i % 3 == 0 ? Arm::kCandidate : Arm::kStable;
    request.weight = 0.3;
    request.key = static_cast<std::uint64_t>(i % 5);
    request.latency = i;
    request.scores = {0.5};
    analysis->add(request);
    analysis->add_rating({.arm = request.arm, .weight = 0.3, .key = request.key, .score = 0.5});
    analysis->add_late_score(
        0, {.arm = request.arm, .weight = 0.3, .key = request.key, .score = 0.25});
    analysis->close_block(i);
  }
  for (const MetricReport& metric : analysis->report().metrics)
    static_cast<void>(expectation_text(metric, analysis->report().requests_per_second));
  static_cast<void>(analysis->save());
  return 0;
}
