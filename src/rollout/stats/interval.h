// SPDX-License-Identifier: Apache-2.0
// Intervals to show beside a verdict, that hold at every look together (confidence sequences). They
// are asymptotic (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
// theory and asymptotic confidence sequences", Annals of Statistics 52, 2024): right once there are
// some dozens of events. So they are shown, and decide nothing.
#pragma once

namespace serin::rollout {

struct Interval {
  double low = 0;
  double high = 0;
};

// Half the width, for an estimate of variance `now`, tightest when that is about `tuned` (Robbins'
// normal mixture). With a probability of 1 - alpha no look ever is off by more.
double half_width(double now, double tuned, double alpha);

// Of a rate or mean over so many observations of this variance each.
struct Estimate {
  double mean = 0;
  double variance = 0;
  double count = 0;
};
// Of the difference of the second and the first. Everything when one has no observation.
Interval difference(const Estimate& first, const Estimate& second, double alpha);

// Of the mean itself. Everything when there is no observation.
Interval around(const Estimate& estimate, double alpha);

// Of a rate of which `events` of `count` independent trials were seen, once: Wilson's interval
// (JASA 22, 1927) of 95 %.
Interval wilson(double events, double count);

// The parts of one between which the part `q` of a distribution lies in a sample of so many.
Interval quantile_levels(double q, double count, double alpha);

}  // namespace serin::rollout
