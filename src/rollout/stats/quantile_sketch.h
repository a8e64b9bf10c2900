// SPDX-License-Identifier: Apache-2.0
// Quantiles of a stream of positive numbers in bounded memory: buckets whose borders grow by 2 %,
// so that a quantile is off by at most 1 % (the idea of Masson, Rim and Lee, "DDSketch", VLDB
// 2019).
#pragma once

#include <cstdint>
#include <vector>

namespace serin::rollout {

class QuantileSketch {
 public:
  // Seconds, say. What is below kLeast or above kMost counts as that; not a number counts as kMost.
  void add(double value);
  // The smallest bucket's middle below or in which a part `q`, of (0, 1), of the values lies. 0
  // when there are none.
  double quantile(double q) const;
  std::uint64_t count() const { return count_; }

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.buckets_, self.count_);
    if constexpr (requires { archive.set_bad(); }) {
      if (self.buckets_.size() > kMostBuckets) archive.set_bad();
    }
  }

  static constexpr double kLeast = 1e-6;
  static constexpr double kMost = 1e5;
  static constexpr std::size_t kMostBuckets = 1280;  // ln(kMost / kLeast) / ln(1.02)

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
};

}  // namespace serin::rollout
