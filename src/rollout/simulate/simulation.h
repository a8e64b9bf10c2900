// SPDX-License-Identifier: Apache-2.0
// A rollout in virtual time: the code that decides real ones, on drawn traffic; and beside it the
// rules of other tools, as their documentation and source state them.
#pragma once

#include <memory>
#include <span>
#include <string>

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
  virtual Ending next(std::span<const Request> ended, double now) = 0;
  virtual double weight() const = 0;  // the candidate's, 0 to 1
  // Why the stated error rates were not promised in the end; empty where they were.
  virtual std::string withdrawn() const { return {}; }
};

std::unique_ptr<Rule> serin_rule(const CanarySpec& spec, const AnalysisSpec& analysis,
                                 std::span<const Request> history);

// Flagger (usage/deployment-strategies, usage/metrics): every minute the success rate of the
// candidate over the last minute; below `least`, or no request at all, is a failed check, of which
// `threshold` in all roll back. A check that passes moves the weight on, from 5 % by 5 to 50 %.
struct FlaggerSpec {
  double least = 0.99;
  int threshold = 5;
};
std::unique_ptr<Rule> flagger_rule(const FlaggerSpec& spec);

// Argo Rollouts (features/analysis): 5, 20 and 50 %, ten minutes each, with a measurement a minute:
// a success rate below `least` fails, and more than `failure_limit` failures abort. A minute
// without a request measures nothing.
struct ArgoSpec {
  double least = 0.99;
  int failure_limit = 3;
};
std::unique_ptr<Rule> argo_rule(const ArgoSpec& spec);

struct Run {
  Ending ending = Ending::kUndecided;
  double seconds = 0;     // until the decision
  std::uint64_t bad = 0;  // failed answers that the candidate gave until then
  bool withdrawn = false;
};

// Until the rule decides, or for so many seconds.
Run simulate(Rule& rule, Traffic& traffic, double horizon);

}  // namespace serin::rollout
