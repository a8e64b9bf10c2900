// SPDX-License-Identifier: Apache-2.0
// A model of traffic and of two versions, for rehearsing a rollout in virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "rollout/request.h"
#include "rollout/simulate/dice.h"

namespace serin::rollout {

// Of which requests one trouble fails the next ones.
enum class BurstBy : std::uint8_t { kWorker, kVersion };

// What one scorer says of one version's answers: the mean and the standard deviation of its scores.
struct ScorerModel {
  double mean = 1;
  double deviation = 0.5;  // as wide as any is: it says 0 or 1
};

// How one version behaves.
struct VersionModel {
  double error_rate = 0.001;  // of requests, in the long run
  double burst = 1;           // failures in a row that one trouble brings, on average
  BurstBy burst_by = BurstBy::kWorker;
  double hang_rate = 0;              // of requests: no answer until the deadline
  double latency = 0.2;              // seconds, median
  double latency_sigma = 0.6;        // of the logarithm
  double quality = 0.95;             // probability of a score of 1; else it is uniform in [0, 1]
  std::vector<ScorerModel> scorers;  // further ones; as many as the other version's
  std::uint32_t workers = 1;
  std::uint64_t cold_requests = 0;  // of each worker: so many first ones
  double cold_factor = 5;           // take so many times as long
};

// Somebody sets the candidate's weight.
struct WeightByHand {
  double at = 0;   // seconds
  int weight = 0;  // percent
};

struct World {
  double rate = 20;        // requests a second, on average over a day
  double daily_swing = 0;  // 0 to 1: the rate swings by so much, over a day
  double deadline = 60;    // seconds, at most kLongestDeadline
  VersionModel stable;
  VersionModel candidate;
  std::uint64_t history = 2000;  // requests that the stable version answered before

  // Users. 0: every request is a key of its own.
  std::uint64_t users = 0;
  double zipf = 0;              // exponent of how much they ask; 0: all alike
  double bad_users = 0;         // a part of them, whose requests fail
  double bad_user_factor = 20;  // times as often
  double rated = 0.02;          // a part of the answers: their users rate them, by their score

  // Incidents that both versions have: the error rate is incident_rate meanwhile.
  double incident_every = 0;     // seconds between beginnings, on average; 0: none
  double incident_length = 300;  // seconds
  double incident_rate = 0.03;

  // Both versions' error rates grow steadily, to so many times as much in an hour.
  double drift = 1;

  std::vector<WeightByHand> by_hand;  // in the order of time

  static constexpr double kLongestDeadline = 3600;
};

// Draws requests tick by tick. The same seed gives the same requests. Those that are answered have
// a score by `quality`, and then one by each of the version's scorers.
class Traffic {
 public:
  Traffic(const World& world, std::uint64_t seed);

  std::vector<Request> history();
  // The requests that end in the next kTick. `weight` is the candidate's, 0 to 1.
  std::vector<Request> next(double weight);
  double now() const { return now_; }

  static constexpr double kTick = 0.25;  // seconds

 private:
  struct Worker {
    double failing = 0;  // how many further requests fail
    std::uint64_t requests = 0;
  };
  struct Version {
    std::vector<Worker> workers;
    double failing = 0;  // of bursts by version
  };

  Request draw(double weight);
  std::uint64_t draw_user();
  bool fails(const VersionModel& model, double& failing, double factor);
  void end_and_begin_incidents();
  double error_rate_now(const VersionModel& version) const;

  World world_;
  Dice dice_;
  std::uint64_t salt_;
  std::vector<double> user_share_;  // cumulated
  double now_ = 0;
  double drifted_ = 1;  // the error rates, in times of those at the beginning
  double incident_ends_ = 0;
  double incident_begins_ = 0;
  std::array<Version, 2> versions_;  // by arm
  // What is under way, by the tick in which it ends, modulo their number.
  std::vector<std::vector<Request>> due_;
  std::uint64_t tick_ = 0;
};

}  // namespace serin::rollout
