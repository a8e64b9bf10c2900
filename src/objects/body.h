// SPDX-License-Identifier: Apache-2.0
// Bytes on their way to a store: in memory or in a file, read again by each retry. A value; copies
// share the bytes. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/error.h"

namespace serin::objects {

class Body {
 public:
  static Body bytes(std::string bytes);
  // Opens the file; its size is what it is now. Reading it is an error once it has become shorter.
  static Result<Body> file(const std::filesystem::path& path);

  std::uint64_t size() const { return size_; }
  // This part of it; shares the bytes.
  Body piece(std::uint64_t offset, std::uint64_t size) const;
  // At most `size` bytes from `offset` on; 0 at the end alone.
  Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t size) const;
  // The whole in pieces, in order.
  Status each(const std::function<Status(std::string_view)>& take) const;
  Result<std::string> sha256() const;
  // The whole in memory. kOutOfRange when it is longer than `limit` bytes.
  Result<std::string> text(std::uint64_t limit) const;

 private:
  std::shared_ptr<const std::string> bytes_;
  std::shared_ptr<const Descriptor> file_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace serin::objects
