// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/e_process.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {

double log_mixture(std::span<const double> values) {
  const double largest = *std::ranges::max_element(values);
  double sum = 0;
  for (const double value : values) sum += std::exp(value - largest);
  return largest + std::log(sum / static_cast<double>(values.size()));
}

double log_mixture(std::span<const double> values, std::span<const double> log_weights) {
  double largest = values[0] + log_weights[0];
  for (std::size_t i = 1; i < values.size(); ++i)
    largest = std::max(largest, values[i] + log_weights[i]);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    sum += std::exp(values[i] + log_weights[i] - largest);
  return largest + std::log(sum);
}

double log_mixture(double first, double second, double weight) {
  const double largest = std::max(first, second);
  return largest +
         std::log(weight * std::exp(first - largest) + (1 - weight) * std::exp(second - largest));
}

}  // namespace serin::rollout
