// SPDX-License-Identifier: Apache-2.0
#include "rollout/simulate/simulation.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

namespace serin::rollout {
namespace {

class SerinRule final : public Rule {
 public:
  SerinRule(const CanarySpec& spec, const AnalysisSpec& analysis, std::span<const Request> history,
            Scoring scoring)
      : spec_(spec), scoring_(std::move(scoring)), analysis_(analysis, history) {
    status_.candidate_ready = true;
    status_.weight = spec.initial_weight;
  }

  Ending next(std::vector<Request> ended, double now) override {
    for (Request& request : ended) {
      score_late(request);
      // Of a single score nobody could have picked another.
      if (request.scores.size() > 1) request.scores = scores_with_answer(request);
      analysis_.add(std::move(request));
    }
    analysis_.close_block(now);
    status_.at_weight += Seconds(Traffic::kTick);
    const AnalysisReport report = analysis_.verdicts();
    withdrawn_ = report.withdrawn;
    counted_ = report.requests;
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
  void set_weight(int weight) override {
    status_.weight = weight;
    status_.at_weight = Seconds(0);
  }
  std::uint64_t counted() const override { return counted_; }
  std::string withdrawn() const override { return withdrawn_; }

 private:
  // As its user rates it, or not, and each scorer that is given samples.
  void score_late(const Request& request) {
    if (request.scores.empty()) return;
    LateScore score{.arm = request.arm, .weight = request.weight, .key = request.key};
    std::uint64_t drawn = mix(mix(std::bit_cast<std::uint64_t>(request.assigned)) + request.key);
    if (unit(drawn) < scoring_.rated) {
      LateScore rating = score;
      if (rating.key == Request::kOwnKey) rating.key = drawn | 1;
      rating.score = *request.scores.front();
      analysis_.add_rating(rating);
    }
    for (std::size_t i = 0; i < scoring_.late.size(); ++i) {
      const auto& [place, sample] = scoring_.late[i];
      drawn = mix(drawn);
      if (unit(drawn) >= sample) continue;
      score.score = *request.scores[place];
      analysis_.add_late_score(i, score);
    }
  }

  std::vector<std::optional<double>> scores_with_answer(const Request& request) const {
    std::vector<std::optional<double>> scores;
    for (const std::size_t place : scoring_.with_answers) scores.push_back(request.scores[place]);
    return scores;
  }

  CanarySpec spec_;
  Scoring scoring_;
  CanaryStatus status_;
  Analysis analysis_;
  std::uint64_t counted_ = 0;
  std::string withdrawn_;
};

// The candidate's requests since the last look, for the rules that look now and then.
class Window {
 public:
  explicit Window(Seconds interval) : interval_(interval.count()), next_(interval_) {}

  // True when it is time to look: then take() has it.
  bool add(std::span<const Request> ended, double now) {
    for (const Request& request : ended) {
      if (request.arm != Arm::kCandidate || request.outcome == Outcome::kCensored) continue;
      candidate_ += {1, request.outcome == Outcome::kFailed ? 1U : 0U};
    }
    if (now < next_) return false;
    next_ += interval_;
    return true;
  }
  Trials take() { return std::exchange(candidate_, {}); }

 private:
  double interval_;
  double next_;
  Trials candidate_;
};

bool succeeds(Trials seen, double least) {
  return static_cast<double>(seen.trials - seen.events) >= least * static_cast<double>(seen.trials);
}

class FlaggerRule final : public Rule {
 public:
  explicit FlaggerRule(const FlaggerSpec& spec)
      : spec_(spec), window_(spec.interval), percent_(spec.initial_weight) {}

  Ending next(std::vector<Request> ended, double now) override {
    if (!window_.add(ended, now)) return Ending::kUndecided;
    if (failed_ >= spec_.threshold) return Ending::kRolledBack;  // on the look after
    const Trials seen = window_.take();
    if (seen.trials == 0 || !succeeds(seen, spec_.least)) {
      ++failed_;
    } else if (percent_ >= spec_.most_weight) {
      return Ending::kPromoted;
    } else {
      percent_ = std::min(spec_.most_weight, percent_ + spec_.step_weight);
    }
    return Ending::kUndecided;
  }
  double weight() const override { return percent_ / 100.0; }
  void set_weight(int weight) override { percent_ = weight; }

 private:
  FlaggerSpec spec_;
  Window window_;
  int percent_;
  int failed_ = 0;
};

class ArgoRule final : public Rule {
 public:
  explicit ArgoRule(ArgoSpec spec) : spec_(std::move(spec)), window_(spec_.interval) {}

  Ending next(std::vector<Request> ended, double now) override {
    const auto step = static_cast<std::size_t>(now / spec_.step.count());
    if (step > step_) by_hand_.reset();
    step_ = step;
    if (window_.add(ended, now)) {
      const Trials seen = window_.take();
      if (seen.trials > 0 && !succeeds(seen, spec_.least)) ++failed_;
      if (failed_ > spec_.failure_limit) return Ending::kRolledBack;
    }
    return step_ >= spec_.weights.size() ? Ending::kPromoted : Ending::kUndecided;
  }
  double weight() const override {
    return by_hand_.value_or(spec_.weights[std::min(step_, spec_.weights.size() - 1)]) / 100.0;
  }
  void set_weight(int weight) override { by_hand_ = weight; }

 private:
  ArgoSpec spec_;
  Window window_;
  std::size_t step_ = 0;
  int failed_ = 0;
  std::optional<int> by_hand_;  // until the next step
};

}  // namespace

std::unique_ptr<Rule> serin_rule(const CanarySpec& spec, const AnalysisSpec& analysis,
                                 std::span<const Request> history, Scoring scoring) {
  return std::make_unique<SerinRule>(spec, analysis, history, std::move(scoring));
}
std::unique_ptr<Rule> flagger_rule(const FlaggerSpec& spec) {
  return std::make_unique<FlaggerRule>(spec);
}
std::unique_ptr<Rule> argo_rule(const ArgoSpec& spec) { return std::make_unique<ArgoRule>(spec); }

Run simulate(Rule& rule, const World& world, Traffic& traffic, double horizon) {
  Run run;
  auto by_hand = world.by_hand.begin();
  while (run.ending == Ending::kUndecided && run.seconds < horizon) {
    for (; by_hand != world.by_hand.end() && by_hand->at <= run.seconds; ++by_hand)
      rule.set_weight(by_hand->weight);
    auto ended = traffic.next(rule.weight());
    for (const Request& request : ended) {
      if (request.arm == Arm::kCandidate && request.outcome == Outcome::kFailed) ++run.bad;
    }
    run.ending = rule.next(std::move(ended), traffic.now());
    run.seconds += Traffic::kTick;
  }
  run.counted = rule.counted();
  run.withdrawn = !rule.withdrawn().empty();
  return run;
}

}  // namespace serin::rollout
