// SPDX-License-Identifier: Apache-2.0
// The workers that a rollout has seen, by a small number each, so that what is kept of every worker
// lies in plain arrays. Bounded: past kMost, the one that was quiet the longest gives its place to
// the new one, which begins cold.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace serin::rollout {

class WorkerTable {
 public:
  struct Place {
    std::uint32_t index = 0;
    bool is_new = false;         // forget what was kept at this place
    std::uint64_t requests = 0;  // of the worker, this one included
  };
  Place see(std::uint32_t worker);

  template <class Self, class Archive>
  static void fields(Self& self, Archive& archive) {
    archive(self.workers_, self.clock_);
    if constexpr (requires { archive.set_bad(); }) {
      if (!self.index_workers()) archive.set_bad();
    }
  }

  static constexpr std::size_t kMost = 1024;

 private:
  struct Worker {
    std::uint32_t id = 0;
    std::uint64_t requests = 0;
    std::uint64_t last = 0;  // on clock_

    template <class Self, class Archive>
    static void fields(Self& self, Archive& archive) {
      archive(self.id, self.requests, self.last);
    }
  };
  bool index_workers();  // false when they are not a table's

  std::vector<Worker> workers_;
  std::unordered_map<std::uint32_t, std::uint32_t> index_;  // by id, into workers_
  std::uint64_t clock_ = 0;                                 // requests so far
};

}  // namespace serin::rollout
