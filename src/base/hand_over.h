// SPDX-License-Identifier: Apache-2.0
// A descriptor that outlives who opened it: one process offers it on a Unix socket, and another of
// the same user takes a copy (SCM_RIGHTS). So a supervisor that was killed gets its listening
// socket back from the gateway that serves on it.
#pragma once

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/descriptor.h"
#include "base/error.h"

namespace serin {

class DescriptorOffer {
 public:
  // Offers copies of `descriptor`, which stays the caller's, at `path` (mode 0600, at most 103
  // bytes; one offerer a path at a time). What was there before is replaced in one step. A thread
  // of its own answers, one peer at a time and none for longer than it takes to write a byte;
  // others than this user and root get nothing.
  static Result<DescriptorOffer> create(const std::filesystem::path& path, int descriptor);
  ~DescriptorOffer();  // the file stays: by then it may be a successor's
  DescriptorOffer(DescriptorOffer&&) noexcept = default;
  DescriptorOffer& operator=(DescriptorOffer&& other) noexcept {
    std::swap(stop_, other.stop_);
    std::swap(thread_, other.thread_);
    return *this;
  }

 private:
  DescriptorOffer(Descriptor stop, std::jthread thread)
      : stop_(std::move(stop)), thread_(std::move(thread)) {}
  Descriptor stop_;  // an eventfd: written to end the thread
  std::jthread thread_;
};

// A copy of what is offered at `path`, closed on exec. Blocks at most `within`. kNotFound when
// nobody offers, kDeadlineExceeded when who does is stopped, kPermissionDenied when it gives us
// nothing.
Result<Descriptor> take_descriptor(const std::filesystem::path& path,
                                   std::chrono::milliseconds within);

}  // namespace serin
