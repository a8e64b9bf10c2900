// SPDX-License-Identifier: Apache-2.0
#include "model/package_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/log.h"
#include "model/archive.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

Status append(const Descriptor& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(error_of_errno(errno, "cannot write " + path.string()));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What an unpacking that died has left: the folder, and what stands beside it with a longer name.
void remove_leftovers(const fs::path& unpacked) {
  std::error_code problem;
  std::vector<fs::path> found;
  for (fs::directory_iterator at(unpacked.parent_path(), problem), end; !problem && at != end;
       at.increment(problem)) {
    if (at->path().filename().string().starts_with(unpacked.filename().string()))
      found.push_back(at->path());
  }
  for (const fs::path& path : found) fs::remove_all(path, problem);
}

// Something that may be removed when nobody holds `lock`.
struct Removable {
  fs::path path, lock;
  std::uint64_t bytes = 0;
  fs::file_time_type used;
};

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code problem;
  for (fs::recursive_directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    if (at->is_regular_file(problem)) bytes += at->file_size(problem);
  }
  return bytes;
}

std::vector<Removable> removable(const fs::path& folder) {
  std::vector<Removable> found;
  std::error_code problem;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    fs::path lock = at->path();
    lock += ".lock";
    if (at->path().filename().string().starts_with("sha256-") && at->is_directory(problem))
      found.push_back(
          {at->path(), lock, bytes_below(at->path()), fs::last_write_time(lock, problem)});
  }
  for (fs::directory_iterator at(folder / "archives", problem), end; !problem && at != end;
       at.increment(problem)) {
    if (at->path().extension() != ".part") continue;
    fs::path lock = at->path();
    lock.replace_extension(".lock");
    found.push_back({at->path(), lock, at->file_size(problem), at->last_write_time(problem)});
  }
  return found;
}

}  // namespace

Result<HeldPackage> PackageCache::get(const Archive& archive, const CancelToken& cancel) const {
  std::error_code problem;
  fs::create_directories(folder_ / "archives", problem);
  if (problem) {
    return fail(Code::kPermissionDenied,
                "the cache " + folder_.string() + " cannot be made: " + problem.message());
  }
  const std::string key = sha256_hex(archive.identity);
  const fs::path known = folder_ / "archives" / key;
  SERIN_TRY_ASSIGN(const Descriptor lock, open_lock(known.string() + ".lock"));
  SERIN_TRY(lock_file(lock, archive.name, cancel));
  if (const auto sha256 = read_file(known, 1024); sha256 && is_sha256(*sha256)) {
    if (auto held = hold(*sha256)) return held;
  }
  auto fetched = fetch(archive, key, cancel);
  if (!fetched) return fail(std::move(fetched).error().within(archive.name));
  evict();
  return fetched;
}

// The archive's lock is held.
Result<HeldPackage> PackageCache::fetch(const Archive& archive, const std::string& key,
                                        const CancelToken& cancel) const {
  const fs::path part = folder_ / "archives" / (key + ".part");
  SERIN_TRY_ASSIGN(const std::string sha256, download(archive, part));
  if (cancel.cancelled()) return fail(Code::kCancelled, "cancelled");
  std::error_code problem;
  auto held = hold(sha256);  // the same archive may have come from another place
  if (!held) {
    const fs::path unpacked = folder_ / "archives" / (key + ".unpacked");
    remove_leftovers(unpacked);
    const auto package = unpack_package(part, unpacked);
    // Whole and nevertheless wrong: nothing is gained by keeping it.
    if (!package) fs::remove(part, problem);
    if (!package) return fail(package.error());
    SERIN_TRY(take_place(unpacked, sha256, cancel));
    held = hold(sha256);
  }
  if (!held) return held;
  SERIN_TRY(write_file(folder_ / "archives" / key, sha256));
  fs::remove(part, problem);
  return held;
}

Status PackageCache::take_place(const fs::path& unpacked, const std::string& sha256,
                                const CancelToken& cancel) const {
  const fs::path target = place_of(sha256);
  SERIN_TRY_ASSIGN(const Descriptor lock, open_lock(target.string() + ".lock"));
  SERIN_TRY(lock_file(lock, target.string(), cancel));
  std::error_code problem;
  fs::remove_all(target, problem);  // it was spoiled, or hold() would have taken it
  fs::rename(unpacked, target, problem);
  if (!problem) return {};
  return fail(Code::kUnknown, "cannot make " + target.string() + ": " + problem.message());
}

Result<std::string> PackageCache::download(const Archive& archive, const fs::path& to) const {
  const Descriptor file(::open(to.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file.open()) return fail(error_of_errno(errno, "cannot open " + to.string()));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return fail(error_of_errno(errno, "cannot read " + to.string()));
  auto have = static_cast<std::uint64_t>(status.st_size);
  if (have > archive.size && ::ftruncate(file.get(), 0) == 0) have = 0;
  std::error_code ignored;
  if (have < archive.size) {
    const Status read = archive.read(have, [&](std::string_view bytes) -> Status {
      have += bytes.size();
      return append(file, bytes, to);
    });
    if (!read && read.error().code == Code::kDataLoss) fs::remove(to, ignored);
    SERIN_TRY(read);
  }
  const auto digest = sha256_hex_of_file(to);
  const bool right =
      have == archive.size && digest && (archive.sha256.empty() || *digest == archive.sha256);
  if (right) return digest;
  fs::remove(to, ignored);
  if (have != archive.size) {
    return fail(Code::kDataLoss, "it has " + std::to_string(have) + " bytes, not the announced " +
                                     std::to_string(archive.size));
  }
  if (!digest) return fail(digest.error());
  return fail(Code::kDataLoss,
              "its SHA-256 is " + *digest + ", not the promised " + archive.sha256);
}

fs::path PackageCache::place_of(const std::string& sha256) const {
  return folder_ / ("sha256-" + sha256);
}

Result<HeldPackage> PackageCache::hold(const std::string& sha256) const {
  const fs::path root = place_of(sha256);
  SERIN_TRY_ASSIGN(Descriptor lock, open_lock(root.string() + ".lock"));
  ::flock(lock.get(), LOCK_SH);
  ::futimens(lock.get(), nullptr);
  SERIN_TRY_ASSIGN(Package package, open_package(root, Verify::kStructure));
  return HeldPackage{root, std::move(package.digest), std::move(lock)};
}

void PackageCache::evict() const {
  std::vector<Removable> all = removable(folder_);
  std::ranges::sort(all, {}, &Removable::used);
  std::uint64_t bytes = 0;
  for (const Removable& one : all) bytes += one.bytes;
  for (const Removable& one : all) {
    if (bytes <= limit_) return;
    const auto lock = open_lock(one.lock);
    if (!lock || ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code problem;
    // Renamed first, so that nobody finds half a package if we die.
    fs::path going = one.path;
    going += ".removed";
    fs::rename(one.path, going, problem);
    if (problem) continue;
    fs::remove_all(going, problem);
    bytes -= one.bytes;
    log::info("removed from the cache", {{"path", one.path.string()}, {"bytes", one.bytes}});
  }
}

}  // namespace serin::model
