// SPDX-License-Identifier: Apache-2.0
// Are keys split between the arms as was asked? Whoever compares what a slow and a quick version
// have answered so far sees fewer of the slow one's requests. So a key counts only once every
// request that was assigned with it is known: a request's deadline after its assignment.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "rollout/request.h"
#include "rollout/stats/share_test.h"

namespace serin::rollout {

class SplitTest {
 public:
  // `deadline` in seconds, at least one.
  explicit SplitTest(double deadline) : deadline_(std::max(1.0, deadline)) {}

  // The first request of a key. One that comes later than its deadline is left out.
  void add(Arm arm, double weight, double assigned);
  // Counts what was assigned a deadline ago or earlier.
  void advance(double now);
  double log_e() const { return test_.log_e(); }

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.test_, self.open_, self.counted_until_);
  }

  // Spans are a part of the deadline, so that there are few of them; changes of the weight make
  // more, up to this many, past which the oldest is counted early.
  static constexpr std::size_t kMostSpans = 256;

 private:
  // Keys that were assigned in one span of time with one weight.
  struct Span {
    double begin = 0;
    double weight = 0;
    std::array<std::uint64_t, 2> keys{};  // by arm

    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.begin, self.weight, self.keys);
    }
  };
  double span() const { return deadline_ / 32; }
  void count(const Span& closed);

  double deadline_;
  ShareTest test_{ShareTest::Null::kEqual};
  std::vector<Span> open_;  // not counted yet
  double counted_until_ = -1e300;
};

}  // namespace serin::rollout
