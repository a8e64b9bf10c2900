// SPDX-License-Identifier: Apache-2.0
#include "model/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "base/write_all.h"
#include "model/folder.h"
#include "model/manifest_reader.h"
#include "model/manifest_sections.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

struct CloseArchive {
  void operator()(::archive* archive) const { archive_free(archive); }  // reading or writing
  void operator()(::archive_entry* entry) const { archive_entry_free(entry); }
};
using Handle = std::unique_ptr<::archive, CloseArchive>;
using Entry = std::unique_ptr<::archive_entry, CloseArchive>;

std::string said(::archive* archive) {
  const char* text = archive_error_string(archive);
  return text == nullptr ? "unknown error" : text;
}

Error unreadable(::archive* archive) {
  return {Code::kInvalidArgument, "is not a tar archive, or is cut: " + said(archive)};
}

Status add_file(::archive* archive, const Folder& folder, const FoundFile& file) {
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), file.path.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.size));
  archive_entry_set_mtime(entry.get(), 0,
                          0);  // with no owner either: the same package, the same bytes
  if (archive_write_header(archive, entry.get()) < ARCHIVE_WARN)
    return fail(Code::kUnknown, file.path + ": " + said(archive));
  std::uint64_t written = 0;
  SERIN_TRY(folder.stream(file.path, [&](std::string_view piece) -> Status {
    written += piece.size();
    if (archive_write_data(archive, piece.data(), piece.size()) ==
        static_cast<la_ssize_t>(piece.size()))
      return {};
    return fail(Code::kUnknown, file.path + ": " + said(archive));
  }));
  if (written != file.size)
    return fail(Code::kAborted, file.path + ": changed while it was packed");
  return {};
}

Status write_archive(const Package& package, const fs::path& to) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  SERIN_TRY_ASSIGN(const auto files, folder.files());
  const Handle archive(archive_write_new());
  archive_write_set_format_pax_restricted(archive.get());
  archive_write_add_filter_zstd(archive.get());
  // Names as the bytes that they are: a conversion would depend on the locale, and libarchive 3.6
  // crashes in it.
  archive_write_set_options(archive.get(), "zstd:compression-level=9,pax:hdrcharset=BINARY");
  if (archive_write_open_filename(archive.get(), to.c_str()) != ARCHIVE_OK)
    return fail(Code::kUnknown, said(archive.get()));
  for (const FoundFile& file : files) SERIN_TRY(add_file(archive.get(), folder, file));
  if (archive_write_close(archive.get()) != ARCHIVE_OK)
    return fail(Code::kUnknown, said(archive.get()));
  return {};
}

class Extractor {
 public:
  Extractor(const fs::path& folder, const UnpackLimits& limits)
      : folder_(folder), limits_(limits) {}

  // What is in one of the archives; the limits are for all of them together.
  Status run(::archive* archive) {
    archive_ = archive;
    compressed_before_ = compressed_;
    ::archive_entry* entry = nullptr;
    while (true) {
      const int status = archive_read_next_header(archive_, &entry);
      if (status == ARCHIVE_EOF) return {};
      if (status != ARCHIVE_OK) return fail(unreadable(archive_));
      if (++entries_ > limits_.entries) return fail(past("entries", limits_.entries));
      SERIN_TRY(extract(entry));
    }
  }

 private:
  static Error past(std::string_view what, std::uint64_t limit) {
    return {Code::kResourceExhausted,
            "has more than " + std::to_string(limit) + " " + std::string(what)};
  }

  Status extract(::archive_entry* entry) {
    const char* raw = archive_entry_pathname_utf8(entry);
    if (raw == nullptr) raw = archive_entry_pathname(entry);
    if (raw == nullptr)
      return invalid("entry " + std::to_string(entries_) + ": its name cannot be read");
    std::string path = raw;
    const bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    if (folder && path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (std::string wrong = wrong_with_package_path(path); !wrong.empty())
      return invalid(shown(path) + ": " + wrong);
    if (archive_entry_hardlink_utf8(entry) != nullptr || archive_entry_hardlink(entry) != nullptr) {
      return invalid(shown(path) + ": is a hard link, which a package may not hold");
    }
    if (archive_entry_filetype(entry) == AE_IFLNK)
      return invalid(shown(path) + ": is a symbolic link, which a package may not hold");
    if (folder) return {};  // made when a file needs it
    if (archive_entry_filetype(entry) != AE_IFREG)
      return invalid(shown(path) + ": is a special file, which a package may not hold");
    if (!seen_.insert(path).second) return invalid(shown(path) + ": stands twice");
    return write(path);
  }

  Status write(const std::string& path) {
    const fs::path target = folder_ / path;
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (error) return invalid(shown(path) + ": cannot be made: " + error.message());
    const Descriptor file(
        ::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!file.open()) return invalid(shown(path) + ": cannot be made: " + std::strerror(errno));
    std::string buffer(std::size_t{1} << 18, '\0');
    while (true) {
      const la_ssize_t count = archive_read_data(archive_, buffer.data(), buffer.size());
      if (count < 0) return invalid(shown(path) + ": " + said(archive_));
      if (count == 0) return {};
      SERIN_TRY(within_limits(path, static_cast<std::uint64_t>(count)));
      SERIN_TRY(write_all(file, std::string_view(buffer).substr(0, static_cast<std::size_t>(count)),
                          shown(path)));
    }
  }

  Status within_limits(const std::string& path, std::uint64_t more) {
    bytes_ += more;
    if (bytes_ > limits_.bytes) return fail(past("bytes", limits_.bytes).within(shown(path)));
    compressed_ = compressed_before_ + static_cast<std::uint64_t>(std::max<la_int64_t>(
                                           1, archive_filter_bytes(archive_, -1)));
    if (bytes_ > limits_.ratio_from && bytes_ / compressed_ > limits_.ratio) {
      return fail(past("bytes for each compressed byte", limits_.ratio).within(shown(path)));
    }
    return {};
  }

  ::archive* archive_ = nullptr;  // the present one
  const fs::path& folder_;
  const UnpackLimits& limits_;
  std::set<std::string> seen_;
  std::size_t entries_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t compressed_ = 0, compressed_before_ = 0;  // of all, and of those that are done
};

// Ours, and the layers of an artifact, which somebody else may have compressed.
Handle reader() {
  Handle archive(archive_read_new());
  archive_read_support_filter_zstd(archive.get());
  archive_read_support_filter_gzip(archive.get());
  archive_read_support_format_tar(archive.get());
  return archive;
}

// What libarchive reads an archive from; lives as long as its handle.
struct Source {
  objects::Body body;
  std::uint64_t at = 0;
  std::string buffer = std::string(std::size_t{1} << 18, '\0');
};

la_ssize_t read_source(::archive* archive, void* from, const void** bytes) {
  auto& source = *static_cast<Source*>(from);
  const auto got = source.body.read(source.at, source.buffer.data(), source.buffer.size());
  if (!got) {
    archive_set_error(archive, EIO, "%s", got.error().message.c_str());
    return ARCHIVE_FATAL;
  }
  source.at += *got;
  *bytes = source.buffer.data();
  return static_cast<la_ssize_t>(*got);
}

Status extract(Extractor& extractor, const objects::Body& archive) {
  Source source{archive};
  const Handle handle = reader();
  if (archive_read_open(handle.get(), &source, nullptr, read_source, nullptr) != ARCHIVE_OK)
    return fail(unreadable(handle.get()));
  return extractor.run(handle.get());
}

}  // namespace

Result<Package> unpack_package(const std::vector<objects::Body>& archives, const fs::path& folder,
                               const UnpackLimits& limits) {
  std::error_code error;
  if (fs::exists(folder, error))
    return fail(Code::kAlreadyExists, folder.string() + ": exists already");
  Partial partial(folder);
  if (!fs::create_directory(partial.path(), error))
    return fail(Code::kUnknown, partial.path().string() + ": cannot be made: " + error.message());
  Extractor extractor(partial.path(), limits);
  for (const objects::Body& archive : archives) SERIN_TRY(extract(extractor, archive));
  auto opened = open_package(partial.path(), Verify::kDigests);
  if (!opened) {
    const std::string prefix = partial.path().string() + ": ";
    if (opened.error().message.starts_with(prefix)) opened.error().message.erase(0, prefix.size());
    return opened;
  }
  SERIN_TRY(partial.keep());
  opened->root = folder;
  return opened;
}

Status pack_package(const fs::path& root, const fs::path& archive) {
  SERIN_TRY_ASSIGN(const Package package, open_package(root, Verify::kDigests));
  Partial partial(archive);
  if (auto written = write_archive(package, partial.path()); !written)
    return fail(std::move(written.error()).within(archive.string()));
  return partial.keep();
}

Result<Package> unpack_package(const fs::path& archive, const fs::path& folder,
                               const UnpackLimits& limits) {
  SERIN_TRY_ASSIGN(const objects::Body body, objects::Body::file(archive));
  auto package = unpack_package(std::vector{body}, folder, limits);
  if (!package) return fail(std::move(package.error()).within(archive.string()));
  return package;
}

Status unpack_bytes(std::string_view bytes, const fs::path& empty_folder,
                    const UnpackLimits& limits) {
  const Handle handle = reader();
  if (archive_read_open_memory(handle.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return fail(unreadable(handle.get()));
  return Extractor(empty_folder, limits).run(handle.get());
}

}  // namespace serin::model
