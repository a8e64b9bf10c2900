// SPDX-License-Identifier: Apache-2.0
// Random numbers for rehearsals: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). The same seed gives
// the same numbers with every standard library; and a rehearsal draws billions of them.
#pragma once

#include <cmath>
#include <cstdint>

namespace serin::rollout {

// A number's bits, mixed.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A hash as a number of [0, 1).
inline double unit(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1p-53; }

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(mix(seed)) {}

  double uniform() {
    const std::uint64_t drawn = mix(state_);
    state_ += 0x9e3779b97f4a7c15;
    return unit(drawn);
  }
  double exponential(double mean) { return -mean * std::log1p(-uniform()); }
  // How many times until the first success, of this mean, at least 1.
  double geometric(double mean) {
    return mean <= 1 ? 1 : 1 + std::floor(std::log1p(-uniform()) / std::log1p(-1 / mean));
  }
  // Marsaglia's polar method.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double x = 0;
    double y = 0;
    double square = 0;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double scale = std::sqrt(-2 * std::log(square) / square);
    spare_ = y * scale;
    has_spare_ = true;
    return x * scale;
  }
  // From 0 to 1, by the beta distribution of this mean and standard deviation; 0 or 1 where none is
  // so wide.
  double score(double mean, double deviation) {
    const double shapes = mean * (1 - mean) / (deviation * deviation) - 1;
    if (shapes <= 0) return uniform() < mean ? 1 : 0;
    const double high = log_gamma(shapes * mean);
    return 1 / (1 + std::exp(log_gamma(shapes * (1 - mean)) - high));
  }
  // Of a mean up to 1e6 or so: arrivals with exponential gaps, the normal approximation beyond 500.
  std::uint64_t poisson(double mean) {
    if (mean > 500)
      return static_cast<std::uint64_t>(
          std::fmax(0, std::round(mean + std::sqrt(mean) * normal())));
    const double least = std::exp(-mean);
    double product = uniform();
    std::uint64_t count = 0;
    while (product > least) {
      product *= uniform();
      ++count;
    }
    return count;
  }

 private:
  // A logarithm, since small shapes give numbers that are too small (Marsaglia and Tsang, 2000).
  double log_gamma(double shape) {
    if (shape < 1) return log_gamma(shape + 1) + std::log1p(-uniform()) / shape;
    const double d = shape - 1.0 / 3;
    while (true) {
      const double x = normal();
      const double v = std::pow(1 + x / std::sqrt(9 * d), 3);
      if (v > 0 && std::log1p(-uniform()) < x * x / 2 + d * (1 - v + std::log(v)))
        return std::log(d * v);
    }
  }

  std::uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace serin::rollout
