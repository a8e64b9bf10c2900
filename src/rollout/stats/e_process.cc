// SPDX-License-Identifier: Apache-2.0
#include "rollout/stats/e_process.h"

#include <algorithm>
#include <cmath>

namespace serin::rollout {

double log_sum_exp(std::span<const double> values) {
  if (values.empty()) return -std::numeric_limits<double>::infinity();
  const double largest = *std::ranges::max_element(values);
  if (!std::isfinite(largest)) return largest;
  double sum = 0;
  for (const double value : values) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

double log_mixture(std::span<const double> values, std::span<const double> weights) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const double value : values) largest = std::max(largest, value);
  if (!std::isfinite(largest)) return largest;
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += weights[i] * std::exp(values[i] - largest);
  return largest + std::log(sum);
}

}  // namespace serin::rollout
