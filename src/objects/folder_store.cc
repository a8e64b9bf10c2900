// SPDX-License-Identifier: Apache-2.0
#include "objects/folder_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/digest.h"
#include "base/files.h"
#include "base/write_all.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::string_view kWorkspace = ".serin";
constexpr std::string_view kTemporary = ".serin/tmp";
constexpr std::string_view kLocks = ".serin/lock";

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "." : std::string(path.substr(0, slash));
}

// A folder that no path leaves. Calls are relative to it and thread-safe.
class Root {
 public:
  explicit Root(Descriptor folder) : folder_(std::move(folder)) {}

  // -1 and errno, as open().
  Descriptor open(std::string_view path, int flags) const {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? 0644 : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const std::string name(path);
    return Descriptor(
        static_cast<int>(::syscall(SYS_openat2, folder_.get(), name.c_str(), &how, sizeof how)));
  }
  Descriptor open_folder(std::string_view path) const { return open(path, O_RDONLY | O_DIRECTORY); }

  // Makes the folder and those above it, each on disk before what is put into it.
  Status make_folder(std::string_view path) const {
    for (std::size_t end = 0; end != std::string_view::npos && path != ".";) {
      end = path.find('/', end + 1);
      const std::string part(path.substr(0, end));
      const std::string above = parent_of(part);
      const Descriptor parent = open_folder(above);
      if (!parent.open()) return fail(error_here(above));
      if (::mkdirat(parent.get(), part.substr(above == "." ? 0 : above.size() + 1).c_str(), 0755) ==
          0)
        ::fsync(parent.get());
      else if (errno != EEXIST)
        return fail(error_here(part));
    }
    return {};
  }

  static Error error_here(std::string_view path) {
    const int number = errno;
    Error error = error_of_errno(number, "'" + std::string(path) + "'");
    if (number == ENOTDIR || number == EISDIR || number == ENOTEMPTY) {
      return {Code::kFailedPrecondition,
              "'" + std::string(path) +
                  "': a folder cannot hold this key, because another key is " +
                  "the beginning of it or goes on after it with '/'"};
    }
    if (number == EXDEV || number == ELOOP)
      return {Code::kPermissionDenied, "'" + std::string(path) + "' leads through a link"};
    return error;
  }

 private:
  Descriptor folder_;
};

// Reads [offset, offset + length) of a file in pieces.
Status read_pieces(const Descriptor& file, std::uint64_t offset, std::uint64_t length,
                   const Sink& sink, const CancelToken& cancel) {
  std::string buffer(std::size_t{1} << 18, '\0');
  while (length > 0) {
    if (cancel.cancelled()) return fail(Code::kCancelled, "the read was cancelled");
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(length, buffer.size()));
    const ssize_t got = ::pread(file.get(), buffer.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(error_of_errno(errno, "cannot read"));
    if (got == 0) return fail(Code::kDataLoss, "the file became shorter while it was read");
    SERIN_TRY(sink(std::string_view(buffer).substr(0, static_cast<std::size_t>(got))));
    offset += static_cast<std::uint64_t>(got);
    length -= static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<std::string> digest_of(const Descriptor& file, std::uint64_t size,
                              const CancelToken& cancel) {
  Sha256 digest;
  SERIN_TRY(read_pieces(
      file, 0, size,
      [&](std::string_view piece) -> Status {
        digest.update(piece);
        return {};
      },
      cancel));
  return digest.hex();
}

// A file below .serin/tmp, locked while it is written and gone at the end unless it took a name.
class TemporaryFile {
 public:
  static Result<TemporaryFile> create(const Root& root) {
    for (;;) {
      std::string name = random_id();
      Descriptor folder = root.open_folder(kTemporary);
      if (!folder.open()) return fail(Root::error_here(kTemporary));
      Descriptor file = root.open(std::string(kTemporary) + "/" + name, O_RDWR | O_CREAT | O_EXCL);
      if (!file.open()) return fail(Root::error_here(kTemporary));
      struct stat status{};
      // Somebody who cleans up may have been between us and the lock.
      if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(file.get(), &status) == 0 &&
          status.st_nlink == 1)
        return TemporaryFile(std::move(folder), std::move(name), std::move(file));
    }
  }
  TemporaryFile(TemporaryFile&& other) noexcept = default;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (folder_.open()) ::unlinkat(folder_.get(), name_.c_str(), 0);
  }

  // Returns the SHA-256 of what was written.
  Result<std::string> write(const Body& body, const CancelToken& cancel) {
    Sha256 digest;
    SERIN_TRY(body.each([&](std::string_view piece) -> Status {
      if (cancel.cancelled()) return fail(Code::kCancelled, "the put was cancelled");
      digest.update(piece);
      return write_all(file_, piece, "what is put");
    }));
    if (::fsync(file_.get()) != 0) return fail(error_of_errno(errno, "cannot sync"));
    return digest.hex();
  }

  // 0, or errno. A link fails where the name is taken; a rename takes it over.
  int link(const Descriptor& folder, const std::string& name) const {
    return ::linkat(folder_.get(), name_.c_str(), folder.get(), name.c_str(), 0) == 0 ? 0 : errno;
  }
  int rename(const Descriptor& folder, const std::string& name) const {
    return ::renameat(folder_.get(), name_.c_str(), folder.get(), name.c_str()) == 0 ? 0 : errno;
  }

 private:
  TemporaryFile(Descriptor folder, std::string name, Descriptor file)
      : folder_(std::move(folder)), name_(std::move(name)), file_(std::move(file)) {}

  Descriptor folder_;
  std::string name_;
  Descriptor file_;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// Names in a folder; those of folders end with '/', so that their order is the order of keys. Links
// and special files are not among them.
std::vector<std::string> names_in(Descriptor folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseFolder> directory(::fdopendir(::dup(folder.get())));
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    std::string name = entry->d_name;
    struct stat status{};
    if (name == "." || name == ".." ||
        ::fstatat(folder.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (S_ISDIR(status.st_mode)) names.push_back(name + "/");
    if (S_ISREG(status.st_mode)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

class FolderStore final : public ObjectStore {
 public:
  explicit FolderStore(Root root) : root_(std::move(root)) {}

  Result<ObjectInfo> get(std::string_view key, const GetOptions& options, const Sink& sink,
                         const CancelToken& cancel) override {
    SERIN_TRY_ASSIGN(const Descriptor file, open_object(key));
    SERIN_TRY_ASSIGN(ObjectInfo info, info_of(key, file));
    if (options.offset > info.size) {
      return fail(Code::kOutOfRange, "'" + std::string(key) + "' ends at " +
                                         std::to_string(info.size) + ", before " +
                                         std::to_string(options.offset));
    }
    if (!options.if_etag.empty()) {
      SERIN_TRY_ASSIGN(info.etag, digest_of(file, info.size, cancel));
      if (info.etag != options.if_etag) {
        return fail(
            Error{Code::kAborted, "'" + std::string(key) + "' was replaced", "object_changed"});
      }
    }
    const std::uint64_t length = std::min(options.length, info.size - options.offset);
    Sha256 digest;
    SERIN_TRY(read_pieces(
        file, options.offset, length,
        [&](std::string_view piece) -> Status {
          digest.update(piece);
          return sink(piece);
        },
        cancel));
    if (length == info.size) info.etag = digest.hex();
    return info;
  }

  Result<ObjectInfo> head(std::string_view key, const CancelToken& cancel) override {
    SERIN_TRY_ASSIGN(const Descriptor file, open_object(key));
    SERIN_TRY_ASSIGN(ObjectInfo info, info_of(key, file));
    SERIN_TRY_ASSIGN(info.etag, digest_of(file, info.size, cancel));
    return info;
  }

  Result<ObjectInfo> put(std::string_view key, const Body& body, const Condition& condition,
                         const CancelToken& cancel) override {
    SERIN_TRY(check_key(key));
    SERIN_TRY(make_workspace());
    SERIN_TRY_ASSIGN(TemporaryFile temporary, TemporaryFile::create(root_));
    SERIN_TRY_ASSIGN(std::string digest, temporary.write(body, cancel));
    SERIN_TRY_ASSIGN(const Descriptor held, lock_key(key, cancel));
    if (condition.is_matches()) {
      const auto now = head(key, cancel);
      if (!now && now.error().code != Code::kNotFound) return fail(now.error());
      if (!now || now->etag != condition.etag()) return fail(lost(key));
    }
    SERIN_TRY(take_name(key, temporary, condition));
    SERIN_TRY_ASSIGN(const Descriptor file, open_object(key));
    SERIN_TRY_ASSIGN(ObjectInfo info, info_of(key, file));
    info.etag = std::move(digest);
    return info;
  }

  Result<Page> list(std::string_view prefix, std::string_view from,
                    const CancelToken& cancel) override {
    Page page;
    SERIN_TRY(collect("", prefix, from, page, cancel));
    if (page.objects.size() > kPageLimit) {
      page.objects.pop_back();
      page.next = page.objects.back().key;
    }
    return page;
  }

  Status remove(std::string_view key, const CancelToken& cancel) override {
    SERIN_TRY(check_key(key));
    SERIN_TRY(make_workspace());
    SERIN_TRY_ASSIGN(const Descriptor held, lock_key(key, cancel));
    std::string folder_name = parent_of(key);
    Descriptor folder = root_.open_folder(folder_name);
    if (!folder.open() && (errno == ENOENT || errno == ENOTDIR)) return {};
    if (!folder.open()) return fail(Root::error_here(folder_name));
    if (::unlinkat(folder.get(), name_of(key).c_str(), 0) != 0) {
      if (errno == ENOENT || errno == EISDIR) return {};
      return fail(Root::error_here(key));
    }
    ::fsync(folder.get());
    // Folders that became empty would keep their name from being a key.
    for (; folder_name != "."; folder_name = parent_of(folder_name)) {
      const Descriptor above = root_.open_folder(parent_of(folder_name));
      if (!above.open() || ::unlinkat(above.get(), name_of(folder_name).c_str(), AT_REMOVEDIR) != 0)
        break;
    }
    return {};
  }

 private:
  static std::string name_of(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
  }

  static Error lost(std::string_view key) {
    return {Code::kAborted,
            "'" + std::string(key) + "' is no longer what the condition of the put asks for",
            "condition_lost"};
  }

  Result<Descriptor> open_object(std::string_view key) const {
    SERIN_TRY(check_key(key));
    // O_NONBLOCK: a pipe in the place of a file must not hold us up.
    Descriptor file = root_.open(key, O_RDONLY | O_NONBLOCK);
    if (!file.open()) {
      if (errno == ENOENT || errno == ENOTDIR)
        return fail(Code::kNotFound, "there is no object '" + std::string(key) + "'");
      return fail(Root::error_here(key));
    }
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return fail(Root::error_here(key));
    if (!S_ISREG(status.st_mode))
      return fail(Code::kNotFound, "there is no object '" + std::string(key) + "'");
    return file;
  }

  static Result<ObjectInfo> info_of(std::string_view key, const Descriptor& file) {
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return fail(Root::error_here(key));
    return ObjectInfo{std::string(key),
                      static_cast<std::uint64_t>(status.st_size),
                      {},
                      std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec)};
  }

  // Before the first write; removes what writers that died have left.
  Status make_workspace() {
    const std::lock_guard guard(mutex_);
    if (ready_) return {};
    SERIN_TRY(root_.make_folder(kTemporary));
    SERIN_TRY(root_.make_folder(kLocks));
    const Descriptor folder = root_.open_folder(kTemporary);
    if (!folder.open()) return fail(Root::error_here(kTemporary));
    for (const std::string& name : names_in(Descriptor(::dup(folder.get())))) {
      const Descriptor file = root_.open(std::string(kTemporary) + "/" + name, O_RDONLY);
      if (file.open() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0)
        ::unlinkat(folder.get(), name.c_str(), 0);
    }
    ready_ = true;
    return {};
  }

  // One of 256 locks, held until the descriptor is closed.
  Result<Descriptor> lock_key(std::string_view key, const CancelToken& cancel) const {
    const std::string path = std::string(kLocks) + "/" + sha256_hex(key).substr(0, 2);
    Descriptor file = root_.open(path, O_RDWR | O_CREAT);
    if (!file.open()) return fail(Root::error_here(path));
    SERIN_TRY(lock_file(file, path, cancel));
    return file;
  }

  // The moment at which the object becomes visible.
  Status take_name(std::string_view key, const TemporaryFile& temporary,
                   const Condition& condition) const {
    constexpr int kAttempts = 100;  // a remove may take the folder away again between two steps
    for (int i = 0; i < kAttempts; ++i) {
      SERIN_TRY(root_.make_folder(parent_of(key)));
      const Descriptor folder = root_.open_folder(parent_of(key));
      if (!folder.open() && errno == ENOENT) continue;
      if (!folder.open()) return fail(Root::error_here(parent_of(key)));
      const int error = condition.is_absent() ? temporary.link(folder, name_of(key))
                                              : temporary.rename(folder, name_of(key));
      if (error == ENOENT) continue;
      if (error == EEXIST && condition.is_absent()) return fail(lost(key));
      errno = error;
      if (error != 0) return fail(Root::error_here(key));
      if (::fsync(folder.get()) != 0) return fail(error_of_errno(errno, "cannot sync"));
      return {};
    }
    return fail(Code::kUnavailable,
                "the folder of '" + std::string(key) + "' goes away again and again");
  }

  // Appends to `page` what lies below `folder` ("" or "a/b/"), until there is one more than a page.
  Status collect(const std::string& folder, std::string_view prefix, std::string_view from,
                 Page& page, const CancelToken& cancel) const {
    if (cancel.cancelled()) return fail(Code::kCancelled, "the listing was cancelled");
    Descriptor opened = root_.open_folder(folder.empty() ? "." : folder);
    if (!opened.open() && (errno == ENOENT || errno == ENOTDIR)) return {};
    if (!opened.open()) return fail(Root::error_here(folder));
    const std::vector<std::string> names = names_in(std::move(opened));
    for (const std::string& name : names) {
      if (page.objects.size() > kPageLimit) return {};
      const std::string path = folder + name;
      if (path.starts_with(std::string(kWorkspace) + "/")) continue;
      if (!name.ends_with('/')) {
        if (path.starts_with(prefix) && path > from && check_key(path)) add(path, page);
        continue;
      }
      const bool may_match = path.starts_with(prefix) || prefix.starts_with(path);
      const bool all_before = path < from && !from.starts_with(path);
      if (may_match && !all_before) SERIN_TRY(collect(path, prefix, from, page, cancel));
    }
    return {};
  }

  void add(const std::string& path, Page& page) const {
    const Descriptor file = root_.open(path, O_RDONLY | O_NONBLOCK);
    if (!file.open()) return;  // removed meanwhile
    if (auto info = info_of(path, file)) page.objects.push_back(*std::move(info));
  }

  Root root_;
  std::mutex mutex_;
  bool ready_ = false;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> create_folder_store(const std::filesystem::path& root) {
  Descriptor folder(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.open()) return fail(error_of_errno(errno, "the folder " + root.string()));
  return std::unique_ptr<ObjectStore>(new FolderStore(Root(std::move(folder))));
}

}  // namespace serin::objects
