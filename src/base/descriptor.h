// SPDX-License-Identifier: Apache-2.0
// A file descriptor with an owner, and a lock that processes share through one.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"

namespace serin {

// Closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

// A file to lock, made when it is missing.
Result<Descriptor> open_lock(const std::filesystem::path& path);

// Blocks until the file's lock (flock) is ours alone; it ends with the last copy of the descriptor.
// Other processes that do the same wait. kCancelled within milliseconds of `cancel`.
Status lock_file(const Descriptor& file, std::string_view name, const CancelToken& cancel);

}  // namespace serin
