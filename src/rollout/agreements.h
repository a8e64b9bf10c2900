// SPDX-License-Identifier: Apache-2.0
// What comparing both versions' answers has shown over a shadow rollout. Plain sums; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "rollout/score/agreement.h"
#include "rollout/stats/interval.h"

namespace serin::rollout {

class Agreements {
 public:
  void add(const Compared& compared);

  std::uint64_t compared() const { return compared_; }
  std::uint64_t identical() const { return identical_; }
  std::uint64_t not_compared(NotCompared why) const {
    return not_compared_[static_cast<std::size_t>(why)];
  }
  // 0 before anything was compared.
  double mean() const;
  // Of the mean: 95 %, at every look together (stats/interval.h); 0 to 1 before the first.
  Interval interval() const;
  // The candidate's bytes by the stable version's; 1 where there are none.
  double size_ratio() const;

  std::string save() const;
  // kInvalidArgument for what save() did not write.
  static Result<Agreements> load(std::string_view saved);

 private:
  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.compared_, self.identical_, self.sum_, self.squares_, self.stable_bytes_,
            self.candidate_bytes_, self.not_compared_);
  }

  std::uint64_t compared_ = 0;
  std::uint64_t identical_ = 0;
  double sum_ = 0;
  double squares_ = 0;
  std::uint64_t stable_bytes_ = 0;
  std::uint64_t candidate_bytes_ = 0;
  std::array<std::uint64_t, kNotComparedKinds> not_compared_{};
};

}  // namespace serin::rollout
