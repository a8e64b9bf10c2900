// SPDX-License-Identifier: Apache-2.0
// The zip format: APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central
// directory), 4.3.14 to 4.3.16 (ends).
#include "backends/torch/archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "base/files.h"

namespace serin::backends {
namespace {

constexpr std::size_t kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20, kCentralSize = 46,
                      kLocalSize = 30;
constexpr std::uint16_t kDeflate = 8;
constexpr std::size_t kMostComment = 65535;
constexpr std::uint32_t k32 = 0xffffffff;

template <class T>
T little(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

tl::unexpected<Error> broken(std::string_view why) {
  return invalid("a broken zip archive: " + std::string(why));
}

struct Directory {
  std::uint64_t entries = 0, size = 0, offset = 0;
};

// Sizes that do not fit 32 bits stand in an extra field (4.5.3), in a fixed order, each only when
// it is needed.
Status read_zip64(std::string_view extra, ArchiveEntry& entry) {
  while (extra.size() >= 4) {
    const auto id = little<std::uint16_t>(extra, 0);
    const auto size = little<std::uint16_t>(extra, 2);
    extra.remove_prefix(4);
    if (size > extra.size()) return broken("an extra field is cut off");
    if (id == 1) {
      std::string_view values = extra.substr(0, size);
      for (std::uint64_t* value : {&entry.size, &entry.stored, &entry.header}) {
        if (*value != k32) continue;
        if (values.size() < 8) return broken("a 64-bit size is missing");
        *value = little<std::uint64_t>(values, 0);
        values.remove_prefix(8);
      }
      return {};
    }
    extra.remove_prefix(size);
  }
  return {};
}

// Raw deflate into exactly `size` bytes.
Result<std::string> inflated(std::string_view stored, std::uint64_t size) {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return fail(Code::kResourceExhausted, "no memory to decompress");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(stored.data()));
  stream.avail_in = static_cast<uInt>(stored.size());
  stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_out = static_cast<uInt>(bytes.size());
  const int ended = inflate(&stream, Z_FINISH);
  const bool whole = ended == Z_STREAM_END && stream.total_out == size;
  inflateEnd(&stream);
  if (!whole) return broken("compressed bytes that do not give what they say");
  return bytes;
}

}  // namespace

bool is_safe_name(std::string_view name) {
  if (name.empty() || name.size() > 4096 || name.front() == '/') return false;
  if (name.find('\\') != std::string_view::npos || name.find('\0') != std::string_view::npos)
    return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view segment = name.substr(begin, end - begin);
    if (segment == ".." || segment == ".") return false;
    begin = end + 1;
  }
  return true;
}

Archive::Archive(Archive&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      size_(other.size_),
      limits_(other.limits_),
      entries_(std::move(other.entries_)) {}

Archive& Archive::operator=(Archive&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  std::swap(limits_, other.limits_);
  std::swap(entries_, other.entries_);
  return *this;
}

Archive::~Archive() {
  if (file_ >= 0) ::close(file_);
}

Result<Archive> Archive::open(const std::filesystem::path& path, const ArchiveLimits& limits) {
  Archive archive;
  archive.limits_ = limits;
  // A pipe put in the place of a file must not hold us up.
  archive.file_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (archive.file_ < 0) return fail(error_of_errno(errno, "cannot read " + path.string()));
  struct stat status{};
  if (::fstat(archive.file_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return invalid(path.string() + " is not a file");
  }
  archive.size_ = static_cast<std::uint64_t>(status.st_size);
  SERIN_TRY(archive.read_directory());
  SERIN_TRY(archive.strip_folder());
  return archive;
}

Result<std::size_t> Archive::read_at(std::uint64_t offset, std::span<char> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got =
        ::pread(file_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(error_of_errno(errno, "cannot read the model's file"));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status Archive::read_directory() {
  std::string tail(static_cast<std::size_t>(
                       std::min<std::uint64_t>(size_, kEndSize + kMostComment + kLocatorSize)),
                   '\0');
  const std::uint64_t tail_offset = size_ - tail.size();
  SERIN_TRY(read_at(tail_offset, tail));
  std::string magic(4, '\0');
  SERIN_TRY(read_at(0, magic));
  // PyTorch decides by the first bytes what a file is; so must we.
  if (magic != "PK\x03\x04") return invalid("not a zip archive");
  const std::size_t end = tail.rfind("PK\x05\x06");
  if (end == std::string::npos || tail.size() - end < kEndSize)
    return broken("its directory is missing");
  Directory found{little<std::uint16_t>(tail, end + 10), little<std::uint32_t>(tail, end + 12),
                  little<std::uint32_t>(tail, end + 16)};
  if (end >= kLocatorSize && tail.compare(end - kLocatorSize, 4, "PK\x06\x07") == 0) {
    std::string end64(kEnd64Size, '\0');
    SERIN_TRY_ASSIGN(const std::size_t got,
                     read_at(little<std::uint64_t>(tail, end - kLocatorSize + 8), end64));
    if (got != kEnd64Size || !end64.starts_with("PK\x06\x06"))
      return broken("its 64-bit directory is missing");
    found = {little<std::uint64_t>(end64, 32), little<std::uint64_t>(end64, 40),
             little<std::uint64_t>(end64, 48)};
  }
  if (found.entries > limits_.entries)
    return broken("more than " + std::to_string(limits_.entries) + " entries");
  if (found.offset > size_ || found.size > size_ - found.offset ||
      found.size > limits_.text_bytes) {
    return broken("its directory lies outside the file");
  }
  std::string directory(static_cast<std::size_t>(found.size), '\0');
  SERIN_TRY(read_at(found.offset, directory));
  return read_entries(directory, found.entries);
}

Status Archive::read_entries(std::string_view directory, std::uint64_t count) {
  std::set<std::string> names;
  std::uint64_t inflated = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (directory.size() < kCentralSize || !directory.starts_with("PK\x01\x02"))
      return broken("its directory is cut off");
    const auto flags = little<std::uint16_t>(directory, 8),
               method = little<std::uint16_t>(directory, 10);
    const std::size_t name_size = little<std::uint16_t>(directory, 28),
                      extra_size = little<std::uint16_t>(directory, 30),
                      comment_size = little<std::uint16_t>(directory, 32);
    if (directory.size() - kCentralSize < name_size + extra_size + comment_size)
      return broken("its directory is cut off");
    ArchiveEntry entry;
    entry.name = directory.substr(kCentralSize, name_size);
    entry.stored = little<std::uint32_t>(directory, 20);
    entry.size = little<std::uint32_t>(directory, 24);
    entry.header = little<std::uint32_t>(directory, 42);
    entry.compressed = method != 0;
    SERIN_TRY(read_zip64(directory.substr(kCentralSize + name_size, extra_size), entry));
    directory.remove_prefix(kCentralSize + name_size + extra_size + comment_size);
    if (!is_safe_name(entry.name)) {
      return fail(Code::kPermissionDenied,
                  "the archive holds a name that leaves it: \"" + entry.name.substr(0, 200) + "\"");
    }
    if (!names.insert(entry.name).second) return broken("the name " + entry.name + " stands twice");
    if ((flags & 1) != 0) return broken(entry.name + " is encrypted");
    if (entry.header > size_ || size_ - entry.header < kLocalSize ||
        entry.stored > size_ - entry.header - kLocalSize) {
      return broken(entry.name + " lies outside the file");
    }
    // PyTorch compresses code, never tensors. What grows on reading is bounded, so no small file
    // becomes a large one.
    if (method != 0 && method != kDeflate)
      return broken(entry.name + " is compressed in an unknown way");
    if (!entry.compressed && entry.size != entry.stored) {
      return broken(entry.name + " has two sizes");
    }
    if (entry.compressed && (inflated += entry.size) > limits_.text_bytes) {
      return broken("its compressed entries are larger than " + std::to_string(limits_.text_bytes) +
                    " bytes");
    }
    entries_.push_back(std::move(entry));
  }
  return {};
}

// PyTorch puts everything under one folder, named after the file that was written.
Status Archive::strip_folder() {
  if (entries_.empty()) return broken("it is empty");
  const std::string folder = entries_[0].name.substr(0, entries_[0].name.find('/') + 1);
  for (ArchiveEntry& entry : entries_) {
    if (folder.empty() || !entry.name.starts_with(folder))
      return invalid("not an archive of PyTorch: its entries do not lie in one folder");
    entry.name.erase(0, folder.size());
  }
  return {};
}

const ArchiveEntry* Archive::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [name](const auto& entry) { return entry.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

bool Archive::has_folder(std::string_view prefix) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [prefix](const auto& entry) { return entry.name.starts_with(prefix); });
}

// Where its bytes stand, behind a header that may be longer than the directory says.
Result<std::uint64_t> Archive::begin_of(const ArchiveEntry& entry) const {
  std::string local(kLocalSize, '\0');
  SERIN_TRY_ASSIGN(const std::size_t got, read_at(entry.header, local));
  if (got != kLocalSize || !local.starts_with("PK\x03\x04"))
    return broken(entry.name + " has no header");
  return entry.header + kLocalSize + little<std::uint16_t>(local, 26) +
         little<std::uint16_t>(local, 28);
}

Result<std::string> Archive::read(const ArchiveEntry& entry) const {
  if (entry.size > limits_.text_bytes) {
    return invalid("the archive's " + entry.name + " has " + std::to_string(entry.size) +
                   " bytes; at most " + std::to_string(limits_.text_bytes) + " are read");
  }
  SERIN_TRY_ASSIGN(const std::uint64_t begin, begin_of(entry));
  if (entry.stored > limits_.text_bytes) return broken(entry.name + " is too large");
  std::string bytes(static_cast<std::size_t>(entry.stored), '\0');
  SERIN_TRY_ASSIGN(const std::size_t read, read_at(begin, bytes));
  if (read != bytes.size()) return broken(entry.name + " lies outside the file");
  return entry.compressed ? inflated(bytes, entry.size) : bytes;
}

Status Archive::stream(const ArchiveEntry& entry,
                       const std::function<Status(std::string_view)>& piece) const {
  if (entry.compressed) {
    SERIN_TRY_ASSIGN(const std::string whole, read(entry));
    return piece(whole);
  }
  SERIN_TRY_ASSIGN(std::uint64_t at, begin_of(entry));
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
  std::string bytes;
  for (std::uint64_t left = entry.size; left > 0; left -= bytes.size(), at += bytes.size()) {
    bytes.resize(static_cast<std::size_t>(std::min(left, kPiece)));
    SERIN_TRY_ASSIGN(const std::size_t got, read_at(at, bytes));
    if (got != bytes.size()) return broken(entry.name + " lies outside the file");
    SERIN_TRY(piece(bytes));
  }
  return {};
}

FileForm form_of(const Archive& archive) {
  if (archive.find("archive_format") != nullptr ||
      archive.find("serialized_exported_program.json") != nullptr) {
    return FileForm::kExportedProgram;
  }
  return archive.has_folder("code/") && archive.find("constants.pkl") != nullptr
             ? FileForm::kTorchScript
             : FileForm::kPickledModule;
}

}  // namespace serin::backends
