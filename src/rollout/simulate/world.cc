// SPDX-License-Identifier: Apache-2.0
#include "rollout/simulate/world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace serin::rollout {
namespace {

constexpr double kDay = 86'400;
constexpr double kHour = 3600;

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a number's bits, mixed.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A hash as a number of [0, 1).
double unit(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

}  // namespace

Traffic::Traffic(const World& world, std::uint64_t seed)
    : world_(world), dice_(mix(seed)), salt_(mix(seed + 1)) {
  double total = 0;
  for (std::uint64_t i = 1; i <= world_.users; ++i) {
    total += std::pow(static_cast<double>(i), -world_.zipf);
    user_share_.push_back(total);
  }
  for (double& share : user_share_) share /= total;
  workers_[0].resize(world_.stable.workers);
  workers_[1].resize(world_.candidate.workers);
  incident_begins_ = world_.incident_every > 0 ? exponential(world_.incident_every)
                                               : std::numeric_limits<double>::infinity();
}

std::uint64_t Traffic::draw_user() {
  const auto found = std::ranges::lower_bound(user_share_, uniform());
  return static_cast<std::uint64_t>(found - user_share_.begin());
}

double Traffic::error_rate_now(const VersionModel& version) const {
  const bool incident = now_ >= incident_begins_ && now_ < incident_ends_;
  const double drifted = version.error_rate * std::pow(world_.drift, now_ / kHour);
  return std::min(1.0, incident ? std::max(world_.incident_rate, drifted) : drifted);
}

Request Traffic::draw(double weight) {
  Request request;
  request.weight = weight;
  double factor = 1;
  double place = uniform();
  if (world_.users > 0) {
    const std::uint64_t user = draw_user();
    request.key = std::max<std::uint64_t>(1, mix(salt_ ^ mix(user + 1)));
    place = unit(mix(request.key));
    // The mean over users stays what it was.
    const double mean = 1 + world_.bad_users * (world_.bad_user_factor - 1);
    factor = (unit(mix(user + 77)) < world_.bad_users ? world_.bad_user_factor : 1) / mean;
  }
  request.arm = place < weight ? Arm::kCandidate : Arm::kStable;
  const bool candidate = request.arm == Arm::kCandidate;
  const VersionModel& version = candidate ? world_.candidate : world_.stable;
  auto& workers = workers_[candidate ? 1 : 0];
  const auto at = static_cast<std::size_t>(uniform() * static_cast<double>(workers.size()));
  Worker& worker = workers[at];
  request.worker = static_cast<std::uint32_t>(at + (candidate ? 1'000'000 : 0));

  double latency = version.latency * std::exp(version.latency_sigma * normal_(dice_));
  if (worker.requests++ < version.cold_requests) latency *= version.cold_factor;
  const bool begins = uniform() < error_rate_now(version) * factor / version.burst;
  if (worker.failing < 1 && begins) {
    // Geometric, of mean `burst`.
    worker.failing =
        1 + (version.burst > 1 ? std::floor(std::log1p(-uniform()) / std::log1p(-1 / version.burst))
                               : 0);
  }
  if (worker.failing >= 1) {
    worker.failing -= 1;
    request.outcome = Outcome::kFailed;
  }
  if (uniform() < version.hang_rate) latency = std::numeric_limits<double>::infinity();
  if (latency > world_.deadline) request.outcome = Outcome::kFailed;
  request.latency = latency > world_.deadline ? std::numeric_limits<double>::infinity() : latency;
  request.time_to_first_token = *request.latency / 4;
  request.time_per_output_token = *request.latency / 100;
  if (request.outcome == Outcome::kAnswered)
    request.scores = {uniform() < version.quality ? 1.0 : uniform()};
  return request;
}

std::vector<Request> Traffic::history() {
  std::vector<Request> all;
  for (std::uint64_t i = 0; i < world_.history; ++i) all.push_back(draw(0));
  return all;
}

std::vector<Request> Traffic::next(double weight) {
  if (now_ >= incident_ends_ && now_ >= incident_begins_) {
    if (incident_ends_ > incident_begins_)
      incident_begins_ = now_ + exponential(world_.incident_every);
    incident_ends_ = now_ >= incident_begins_ ? now_ + world_.incident_length : incident_ends_;
  }
  const double swing = 1 + world_.daily_swing * std::sin(2 * std::numbers::pi * now_ / kDay);
  const auto count = std::poisson_distribution<std::uint64_t>(world_.rate * swing * kTick)(dice_);
  for (std::uint64_t i = 0; i < count; ++i) {
    Request request = draw(weight);
    // Evenly within the tick, in the order in which they were drawn.
    request.assigned = now_ + kTick * static_cast<double>(i) / static_cast<double>(count);
    const double at = request.assigned + std::min(*request.latency, world_.deadline);
    pending_.push({at, drawn_++, std::move(request)});
  }
  now_ += kTick;
  std::vector<Request> resolved;
  while (!pending_.empty() && pending_.top().at <= now_) {
    resolved.push_back(pending_.top().request);
    pending_.pop();
  }
  return resolved;
}

}  // namespace serin::rollout
