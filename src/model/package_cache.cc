// SPDX-License-Identifier: Apache-2.0
#include "model/package_cache.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "base/files.h"
#include "base/log.h"
#include "model/archive.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What names the unpacked archive.
std::string digest_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  std::string all;
  for (const std::string& part : parts) all += part;
  return sha256_hex(all);
}

// The archives that lie in a file, one after another.
Result<std::vector<objects::Body>> pieces(const fs::path& file,
                                          const std::vector<objects::Part>& parts) {
  SERIN_TRY_ASSIGN(const objects::Body whole, objects::Body::file(file));
  std::vector<objects::Body> pieces;
  std::uint64_t at = 0;
  for (const objects::Part& part : parts) {
    pieces.push_back(whole.piece(at, part.size));
    at += part.size;
  }
  return pieces;
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

std::uint64_t Archive::size() const {
  std::uint64_t size = 0;
  for (const objects::Part& part : parts) size += part.size;
  return size;
}

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
  SERIN_TRY_ASSIGN(const auto parts, objects::download(part, archive.parts, archive.read));
  const std::string sha256 = digest_of(parts);
  if (cancel.cancelled()) return fail(Code::kCancelled, "cancelled");
  std::error_code problem;
  auto held = hold(sha256);  // the same archive may have come from another place
  if (!held) {
    const fs::path unpacked = folder_ / "archives" / (key + ".unpacked");
    remove_leftovers(unpacked);
    SERIN_TRY_ASSIGN(const auto archives, pieces(part, archive.parts));
    const auto package = unpack_package(archives, unpacked);
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
