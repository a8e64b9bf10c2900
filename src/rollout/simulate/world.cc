// SPDX-License-Identifier: Apache-2.0
#include "rollout/simulate/world.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace serin::rollout {
namespace {

constexpr double kDay = 86'400;
constexpr double kHour = 3600;

}  // namespace

Traffic::Traffic(const World& world, std::uint64_t seed)
    : world_(world), dice_(seed), salt_(mix(mix(seed) + 1)) {
  double total = 0;
  for (std::uint64_t i = 1; i <= world_.users; ++i) {
    total += std::pow(static_cast<double>(i), -world_.zipf);
    user_share_.push_back(total);
  }
  for (double& share : user_share_) share /= total;
  versions_[0].workers.resize(world_.stable.workers);
  versions_[1].workers.resize(world_.candidate.workers);
  incident_begins_ = world_.incident_every > 0 ? dice_.exponential(world_.incident_every)
                                               : std::numeric_limits<double>::infinity();
  const double deadline = std::min(world_.deadline, World::kLongestDeadline);
  due_.resize(static_cast<std::size_t>(std::ceil(deadline / kTick)) + 2);
}

std::uint64_t Traffic::draw_user() {
  const auto found = std::ranges::lower_bound(user_share_, dice_.uniform());
  return static_cast<std::uint64_t>(found - user_share_.begin());
}

double Traffic::error_rate_now(const VersionModel& version) const {
  const bool incident = now_ >= incident_begins_ && now_ < incident_ends_;
  const double drifted = version.error_rate * drifted_;
  return std::min(1.0, incident ? std::max(world_.incident_rate, drifted) : drifted);
}

bool Traffic::fails(const VersionModel& model, double& failing, double factor) {
  const bool begins = dice_.uniform() < error_rate_now(model) * factor / model.burst;
  if (failing < 1 && begins) failing = dice_.geometric(model.burst);
  if (failing < 1) return false;
  failing -= 1;
  return true;
}

Request Traffic::draw(double weight) {
  Request request;
  request.weight = weight;
  double factor = 1;
  double place = 0;
  if (world_.users > 0) {
    const std::uint64_t user = draw_user();
    request.key = std::max<std::uint64_t>(1, mix(salt_ ^ mix(user + 1)));
    place = unit(mix(request.key));
    // The mean over users stays what it was.
    const double mean = 1 + world_.bad_users * (world_.bad_user_factor - 1);
    factor = (unit(mix(user + 77)) < world_.bad_users ? world_.bad_user_factor : 1) / mean;
  } else {
    place = dice_.uniform();
  }
  request.arm = place < weight ? Arm::kCandidate : Arm::kStable;
  const bool candidate = request.arm == Arm::kCandidate;
  const VersionModel& model = candidate ? world_.candidate : world_.stable;
  Version& version = versions_[index(request.arm)];
  const std::size_t at =
      model.workers == 1
          ? 0
          : static_cast<std::size_t>(dice_.uniform() * static_cast<double>(model.workers));
  Worker& worker = version.workers[at];
  request.worker = static_cast<std::uint32_t>(at + (candidate ? 1'000'000 : 0));

  double latency = model.latency * std::exp(model.latency_sigma * dice_.normal());
  if (worker.requests++ < model.cold_requests) latency *= model.cold_factor;
  double& failing = model.burst_by == BurstBy::kWorker ? worker.failing : version.failing;
  if (fails(model, failing, factor)) request.outcome = Outcome::kFailed;
  if (model.hang_rate > 0 && dice_.uniform() < model.hang_rate)
    latency = std::numeric_limits<double>::infinity();
  if (latency > world_.deadline) {
    request.outcome = Outcome::kFailed;
    latency = std::numeric_limits<double>::infinity();
  }
  request.latency = latency;
  request.time_to_first_token = latency / 4;
  request.time_per_output_token = latency / 100;
  if (request.outcome == Outcome::kAnswered) {
    request.scores = {dice_.uniform() < model.quality ? 1.0 : dice_.uniform()};
    for (const ScorerModel& scorer : model.scorers)
      request.scores.emplace_back(dice_.score(scorer.mean, scorer.deviation));
  }
  return request;
}

std::vector<Request> Traffic::history() {
  std::vector<Request> all;
  all.reserve(world_.history);
  for (std::uint64_t i = 0; i < world_.history; ++i) all.push_back(draw(0));
  return all;
}

void Traffic::end_and_begin_incidents() {
  if (now_ < incident_ends_ || now_ < incident_begins_) return;
  if (incident_ends_ > incident_begins_)
    incident_begins_ = now_ + dice_.exponential(world_.incident_every);
  if (now_ >= incident_begins_) incident_ends_ = now_ + world_.incident_length;
}

std::vector<Request> Traffic::next(double weight) {
  end_and_begin_incidents();
  drifted_ = world_.drift == 1 ? 1 : std::pow(world_.drift, now_ / kHour);
  const double swing = world_.daily_swing == 0
                           ? 1
                           : 1 + world_.daily_swing * std::sin(2 * std::numbers::pi * now_ / kDay);
  const std::uint64_t count = dice_.poisson(world_.rate * swing * kTick);
  for (std::uint64_t i = 0; i < count; ++i) {
    Request request = draw(weight);
    // Evenly within the tick, in the order in which they were drawn.
    request.assigned = now_ + kTick * static_cast<double>(i) / static_cast<double>(count);
    const double ends = request.assigned + std::min(*request.latency, world_.deadline);
    const auto after = static_cast<std::uint64_t>((ends - now_) / kTick);
    due_[(tick_ + std::min<std::uint64_t>(after, due_.size() - 1)) % due_.size()].push_back(
        std::move(request));
  }
  std::vector<Request> ended;
  ended.swap(due_[tick_ % due_.size()]);
  now_ += kTick;
  ++tick_;
  return ended;
}

}  // namespace serin::rollout
