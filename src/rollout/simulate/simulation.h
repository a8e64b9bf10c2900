// SPDX-License-Identifier: Apache-2.0
// A rollout in virtual time: the code that decides real ones, on drawn traffic; and beside it the
// rules of other tools, as their documentation and source state them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rollout/plan.h"
#include "rollout/simulate/world.h"

namespace serin::rollout {

enum class Ending : std::uint8_t { kUndecided, kPromoted, kRolledBack };

// Decides on one candidate, tick by tick.
class Rule {
 public:
  virtual ~Rule() = default;
  // The requests that ended in the last Traffic::kTick, until `now`. kUndecided: go on with
  // weight().
  virtual Ending next(std::vector<Request> ended, double now) = 0;
  virtual double weight() const = 0;  // the candidate's, 0 to 1
  // Somebody set it by hand, in percent.
  virtual void set_weight(int weight) = 0;
  // How many requests it has counted, for rules that count requests.
  virtual std::uint64_t counted() const { return 0; }
  // Why the stated error rates were not promised in the end; empty where they were.
  virtual std::string withdrawn() const { return {}; }
};

// Which of the scores that Traffic draws an analysis gets, and when.
struct Scoring {
  double rated = 0;  // a part of the answers: their users rate them, by the first of their scores
  std::vector<std::size_t> with_answers = {0};  // of the metrics of kind kScore: places of scores
  struct Late {
    std::size_t place = 0;
    double sample = 1;  // a part of the answers
  };
  std::vector<Late> late = {};  // of the metrics of kind kLateScore
};

std::unique_ptr<Rule> serin_rule(const CanarySpec& spec, const AnalysisSpec& analysis,
                                 std::span<const Request> history, Scoring scoring = {});

// Flagger and Argo Rollouts: rules about the candidate's rate of success alone, as in their
// examples, over the time since the last look. Defaults as their documentation has them.

// Flagger (usage/deployment-strategies, usage/metrics): a look every `interval`; a rate below
// `least`, or no request at all, is a failed check, of which `threshold` in all roll back, at the
// next look. A check that passes moves the weight on, and promotes from `most_weight`.
struct FlaggerSpec {
  double least = 0.99;
  int threshold = 5;
  Seconds interval{60};
  int initial_weight = 5;  // percent
  int step_weight = 5;
  int most_weight = 50;
};
std::unique_ptr<Rule> flagger_rule(const FlaggerSpec& spec);

// Argo Rollouts (features/analysis, features/canary): a measurement every `interval` beside steps
// of fixed weights; a rate below `least` fails, and more than `failure_limit` failures abort. A
// time without a request measures nothing.
struct ArgoSpec {
  double least = 0.95;
  int failure_limit = 3;
  Seconds interval{300};
  Seconds step{600};
  std::vector<int> weights = {20, 40, 60, 80};  // percent
};
std::unique_ptr<Rule> argo_rule(const ArgoSpec& spec);

struct Run {
  Ending ending = Ending::kUndecided;
  double seconds = 0;         // until the decision
  std::uint64_t counted = 0;  // requests that the rule had seen by then
  std::uint64_t bad = 0;      // failed answers that the candidate gave until then
  bool withdrawn = false;
};

// Until the rule decides, or for so many seconds.
Run simulate(Rule& rule, const World& world, Traffic& traffic, double horizon);

}  // namespace serin::rollout
