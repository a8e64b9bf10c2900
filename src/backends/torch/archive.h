// SPDX-License-Identifier: Apache-2.0
// What a .pt file is, found out before PyTorch opens it: a zip archive whose every size and name is
// checked here. Read by one thread; holds one open file, so that what was checked is what is
// loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::backends {

struct ArchiveEntry {
  std::string name;          // without the archive's own folder: "code/__torch__.py", "data.pkl"
  std::uint64_t header = 0;  // where its local header stands
  std::uint64_t size = 0;
  std::uint64_t stored = 0;  // as it lies in the file
  bool compressed = false;
};

struct ArchiveLimits {
  std::size_t entries = 200'000;
  std::uint64_t text_bytes = std::uint64_t{256}
                             << 20;  // of one code or pickle, and of all that is compressed
};

class Archive {
 public:
  // kInvalidArgument when it is no zip archive or a broken one; kPermissionDenied when a name
  // leaves the archive.
  static Result<Archive> open(const std::filesystem::path& path, const ArchiveLimits& limits = {});
  ~Archive();
  Archive(Archive&&) noexcept;
  Archive& operator=(Archive&&) noexcept;

  const std::vector<ArchiveEntry>& entries() const { return entries_; }
  const ArchiveEntry* find(std::string_view name) const;
  bool has_folder(std::string_view prefix) const;
  // The whole of an entry, decompressed.
  Result<std::string> read(const ArchiveEntry& entry) const;
  // The same in pieces of a multiple of 16 bytes but the last, of any size where it lies
  // uncompressed; ends early when `piece` fails.
  Status stream(const ArchiveEntry& entry,
                const std::function<Status(std::string_view)>& piece) const;

  std::uint64_t file_size() const { return size_; }
  // Bytes of the file itself; short only at its end.
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const;

 private:
  Archive() = default;
  Status read_directory();
  Status read_entries(std::string_view directory, std::uint64_t count);
  Status strip_folder();
  Result<std::uint64_t> begin_of(const ArchiveEntry& entry) const;

  int file_ = -1;
  std::uint64_t size_ = 0;
  ArchiveLimits limits_;
  std::vector<ArchiveEntry> entries_;
};

enum class FileForm { kTorchScript, kExportedProgram, kPickledModule };
// Tells a TorchScript archive from a torch.export one and from what torch.save wrote; pure.
FileForm form_of(const Archive& archive);

// A path inside the archive that stays inside it; pure.
bool is_safe_name(std::string_view name);

}  // namespace serin::backends
