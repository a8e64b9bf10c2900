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

  Ending next(std::span<const Request> ended, double now) override {
    for (const Request& request : ended) analysis_.add(request);
    analysis_.close_block(now);
    status_.at_weight += Seconds(Traffic::kTick);
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
  bool add(std::span<const Request> ended, double now) {
    for (const Request& request : ended) {
      if (request.arm != Arm::kCandidate || request.outcome == Outcome::kCensored) continue;
      candidate_ += {1, request.outcome == Outcome::kFailed ? 1U : 0U};
    }
    if (now < next_) return false;
    next_ += 60;
    return true;
  }
  Trials take() { return std::exchange(candidate_, {}); }
  int count() const { return static_cast<int>(next_ / 60) - 1; }

 private:
  double next_ = 60;
  Trials candidate_;
};

bool succeeds(Trials minute, double least) {
  return static_cast<double>(minute.trials - minute.events) >=
         least * static_cast<double>(minute.trials);
}

class FlaggerRule final : public Rule {
 public:
  explicit FlaggerRule(const FlaggerSpec& spec) : spec_(spec) {}

  Ending next(std::span<const Request> ended, double now) override {
    if (!minute_.add(ended, now)) return Ending::kUndecided;
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

  Ending next(std::span<const Request> ended, double now) override {
    if (!minute_.add(ended, now)) return Ending::kUndecided;
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
    const auto ended = traffic.next(rule.weight());
    for (const Request& request : ended) {
      if (request.arm == Arm::kCandidate && request.outcome == Outcome::kFailed) ++run.bad;
    }
    run.ending = rule.next(ended, traffic.now());
    run.seconds += Traffic::kTick;
  }
  run.withdrawn = !rule.withdrawn().empty();
  return run;
}

}  // namespace serin::rollout
