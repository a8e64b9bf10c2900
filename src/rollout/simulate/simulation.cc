// SPDX-License-Identifier: Apache-2.0
#include "rollout/simulate/simulation.h"

#include <utility>

namespace serin::rollout {
namespace {

class SerinRule final : public Rule {
 public:
  SerinRule(const CanarySpec& spec, const AnalysisSpec& analysis, std::span<const Request> history)
      : spec_(spec), analysis_(analysis, history) {
    status_.candidate_ready = true;
    status_.weight = spec.initial_weight;
  }

  Ending second(std::span<const Request> resolved) override {
    for (const Request& request : resolved) analysis_.add(request);
    analysis_.close_block();
    status_.at_weight += Seconds(1);
    const AnalysisReport report = analysis_.report();
    withdrawn_ = report.withdrawn;
    const Action action = plan(spec_, status_, report);
    if (action.kind == ActionKind::kRollBack) return Ending::kRolledBack;
    if (action.kind == ActionKind::kPromote) return Ending::kPromoted;
    if (action.kind == ActionKind::kSetWeight) {
      status_.weight = action.weight;
      status_.at_weight = Seconds(0);
    }
    return Ending::kUndecided;
  }

  double weight() const override { return status_.weight / 100.0; }
  std::string withdrawn() const override { return withdrawn_; }

 private:
  CanarySpec spec_;
  CanaryStatus status_;
  Analysis analysis_;
  std::string withdrawn_;
};

// The candidate's requests of the last minute, for the rules that look once a minute.
class Minute {
 public:
  // True when a minute is over: then take() has it.
  bool add(std::span<const Request> resolved) {
    for (const Request& request : resolved) {
      if (request.arm != Arm::kCandidate || request.outcome == Outcome::kCensored) continue;
      candidate_ += {1, request.outcome == Outcome::kFailed ? 1U : 0U};
    }
    return ++seconds_ % 60 == 0;
  }
  Trials take() { return std::exchange(candidate_, {}); }
  int count() const { return seconds_ / 60; }

 private:
  int seconds_ = 0;
  Trials candidate_;
};

bool succeeds(Trials minute, double least) {
  return static_cast<double>(minute.trials - minute.events) >=
         least * static_cast<double>(minute.trials);
}

class FlaggerRule final : public Rule {
 public:
  explicit FlaggerRule(const FlaggerSpec& spec) : spec_(spec) {}

  Ending second(std::span<const Request> resolved) override {
    if (!minute_.add(resolved)) return Ending::kUndecided;
    if (failed_ >= spec_.threshold) return Ending::kRolledBack;  // on the tick after
    const Trials seen = minute_.take();
    if (seen.trials == 0 || !succeeds(seen, spec_.least)) {
      ++failed_;
    } else if (percent_ >= 50) {
      return Ending::kPromoted;
    } else {
      percent_ += 5;
    }
    return Ending::kUndecided;
  }
  double weight() const override { return percent_ / 100.0; }

 private:
  FlaggerSpec spec_;
  Minute minute_;
  int percent_ = 5;
  int failed_ = 0;
};

class ArgoRule final : public Rule {
 public:
  explicit ArgoRule(const ArgoSpec& spec) : spec_(spec) {}

  Ending second(std::span<const Request> resolved) override {
    if (!minute_.add(resolved)) return Ending::kUndecided;
    const Trials seen = minute_.take();
    if (seen.trials > 0 && !succeeds(seen, spec_.least)) ++failed_;
    if (failed_ > spec_.failure_limit) return Ending::kRolledBack;
    return minute_.count() >= 30 ? Ending::kPromoted : Ending::kUndecided;
  }
  double weight() const override {
    return minute_.count() < 10 ? 0.05 : minute_.count() < 20 ? 0.2 : 0.5;
  }

 private:
  ArgoSpec spec_;
  Minute minute_;
  int failed_ = 0;
};

}  // namespace

std::unique_ptr<Rule> serin_rule(const CanarySpec& spec, const AnalysisSpec& analysis,
                                 std::span<const Request> history) {
  return std::make_unique<SerinRule>(spec, analysis, history);
}
std::unique_ptr<Rule> flagger_rule(const FlaggerSpec& spec) {
  return std::make_unique<FlaggerRule>(spec);
}
std::unique_ptr<Rule> argo_rule(const ArgoSpec& spec) { return std::make_unique<ArgoRule>(spec); }

Run simulate(Rule& rule, Traffic& traffic, double horizon) {
  Run run;
  while (run.ending == Ending::kUndecided && run.seconds < horizon) {
    const auto resolved = traffic.next_second(rule.weight());
    for (const Request& request : resolved) {
      if (request.arm == Arm::kCandidate && request.outcome == Outcome::kFailed) ++run.bad;
    }
    run.ending = rule.second(resolved);
    run.seconds += 1;
  }
  run.withdrawn = !rule.withdrawn().empty();
  return run;
}

}  // namespace serin::rollout
