// SPDX-License-Identifier: Apache-2.0
// Tar archives (POSIX ustar with pax records) as image layers and layouts are made of. Written by
// hand, so that the same content is the same bytes whatever library or version is installed; looked
// into where they lie, so that no path in one ever reaches a file system.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "objects/body.h"
#include "objects/object_store.h"

namespace serin::objects {

// One thread. Everything belongs to root, is readable by all and has no time.
class TarWriter {
 public:
  explicit TarWriter(Sink sink) : sink_(std::move(sink)) {}

  Status folder(std::string_view path);
  // `give` gives its bytes; kAborted when they are not `size` many.
  Status file(std::string_view path, std::uint64_t size,
              const std::function<Status(const Sink&)>& give);
  Status file(std::string_view path, std::string_view bytes);
  // The archive's end; nothing is written after it.
  Status end();

 private:
  Status header(std::string_view path, char type, std::uint64_t size, unsigned mode);
  Sink sink_;
};

struct TarFile {
  std::string path;  // as it stands there, but for a leading "./"
  std::uint64_t offset = 0, size = 0;
};

// The regular files of an archive that is not compressed, and where each lies in it; folders and
// links are left out. kInvalidArgument for what is no such archive or is cut, kResourceExhausted
// for one of too many entries.
Result<std::vector<TarFile>> tar_files(const Body& archive);

}  // namespace serin::objects
