// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/compiled_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "base/digest.h"
#include "base/files.h"
#include "model/exporter.h"
#include "model/folder.h"

namespace serin::backends {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr std::string_view kAbout = "entry.json";
constexpr std::uint64_t kMostAbout = 64 << 10;

// The compiler writes for exactly this processor.
std::string instructions() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags") || line.starts_with("Features")) return line;
  }
  return {};
}

// Ours, and nobody else can change what is in it.
std::string reason_against(const fs::path& folder) {
  struct stat status{};
  if (::lstat(folder.c_str(), &status) != 0) return "it cannot be read";
  if (!S_ISDIR(status.st_mode)) return "it is no folder";
  if (status.st_uid != ::geteuid()) return "it belongs to another user";
  if ((status.st_mode & 0077) != 0) return "others may look into it or change it";
  return {};
}

// Digests of all files but entry.json; links and devices are errors.
Result<json::object> digests_in(const model::Folder& folder) {
  SERIN_TRY_ASSIGN(const auto files, folder.files());
  json::object digests;
  for (const model::FoundFile& file : files) {
    if (file.path == kAbout) continue;
    SERIN_TRY_ASSIGN(const std::string digest, folder.sha256(file.path));
    digests[file.path] = digest;
  }
  return digests;
}

Result<json::value> checked(const fs::path& path, const std::string& key) {
  SERIN_TRY_ASSIGN(const model::Folder folder, model::Folder::open(path));
  SERIN_TRY_ASSIGN(const std::string text, folder.read(kAbout, kMostAbout));
  SERIN_TRY_ASSIGN(json::value entry, parse_json(text));
  SERIN_TRY_ASSIGN(const json::object digests, digests_in(folder));
  json::object* fields = entry.if_object();
  if (fields == nullptr || !fields->contains("about") || fields->size() != 4 ||
      (*fields)["format"] != json::value(kFormat) || (*fields)["key"] != json::value(key) ||
      (*fields)["files"] != json::value(digests)) {
    return fail(Code::kDataLoss, "its files are not those that were written there");
  }
  return std::move((*fields)["about"]);
}

}  // namespace

std::string digest_of(const CompileKey& key) {
  return sha256_hex(canonical_json(json::object{{"format", kFormat},
                                                {"file", key.file},
                                                {"program", key.program},
                                                {"torch", key.torch},
                                                {"device", key.device},
                                                {"threads", key.threads},
                                                {"machine", instructions()}}));
}

CompiledCache::Lock::~Lock() {
  if (file_ >= 0) ::close(file_);
}

Status CompiledCache::make_folder() const {
  std::error_code error;
  fs::create_directories(cache_.parent_path(), error);
  for (const fs::path& folder : {cache_, folder_}) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
      return fail(error_of_errno(errno, "cannot make the folder " + folder.string()));
    // Older versions of Serin made it for all to read; it is ours to close.
    ::chmod(folder.c_str(), 0700);
    const std::string against = reason_against(folder);
    if (!against.empty())
      return fail(Code::kPermissionDenied,
                  folder.string() + " cannot hold machine code: " + against);
  }
  return {};
}

Result<CompiledCache::Lock> CompiledCache::lock(const std::string& key) const {
  SERIN_TRY(make_folder());
  const fs::path path = folder_ / ("." + key + ".lock");
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return fail(error_of_errno(errno, "cannot make " + path.string()));
  Lock lock(file);
  while (::flock(file, LOCK_EX) != 0) {
    if (errno != EINTR) return fail(error_of_errno(errno, "cannot lock " + path.string()));
  }
  return lock;
}

Result<fs::path> CompiledCache::workplace(const std::string& key) const {
  fs::path path = folder_ / ("." + key + ".work");
  std::error_code error;
  fs::remove_all(path, error);
  if (::mkdir(path.c_str(), 0700) != 0)
    return fail(error_of_errno(errno, "cannot make the folder " + path.string()));
  return path;
}

std::optional<CompiledEntry> CompiledCache::find(const std::string& key,
                                                 std::string* why_not) const {
  const fs::path path = folder_ / key;
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return std::nullopt;
  std::string against = reason_against(cache_);
  if (against.empty()) against = reason_against(folder_);
  if (against.empty()) against = reason_against(path);
  if (against.empty()) {
    auto about = checked(path, key);
    if (about) {
      fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // for forget_old()
      return CompiledEntry{path, *std::move(about)};
    }
    against = about.error().message;
  }
  if (why_not != nullptr) *why_not = std::move(against);
  return std::nullopt;
}

Result<CompiledEntry> CompiledCache::keep(const std::string& key, const fs::path& made,
                                          json::value about) const {
  SERIN_TRY(make_folder());
  const fs::path target = folder_ / key;
  std::error_code error;
  fs::remove_all(target, error);
  model::Partial partial(target);
  if (::mkdir(partial.path().c_str(), 0700) != 0)
    return fail(error_of_errno(errno, "cannot make the folder " + partial.path().string()));
  SERIN_TRY_ASSIGN(const model::Folder from, model::Folder::open(made));
  SERIN_TRY(model::copy_folder(from, partial.path()));
  SERIN_TRY_ASSIGN(const model::Folder copied, model::Folder::open(partial.path()));
  SERIN_TRY_ASSIGN(json::object digests, digests_in(copied));
  const json::object entry{
      {"format", kFormat}, {"key", key}, {"files", std::move(digests)}, {"about", about}};
  SERIN_TRY(write_file(partial.path() / kAbout, json::serialize(entry)));
  SERIN_TRY(partial.keep());
  forget_old();
  return CompiledEntry{target, std::move(about)};
}

void CompiledCache::forget_old() const {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> entries;
  for (const auto& file : fs::directory_iterator(cache_, error)) {
    for (const auto& entry : fs::directory_iterator(file.path(), error)) {
      constexpr std::size_t kDigits = 64;
      if (entry.path().filename().string().size() == kDigits)
        entries.emplace_back(entry.last_write_time(error), entry.path());
    }
  }
  std::sort(entries.begin(), entries.end());
  for (std::size_t i = 0; i + kMostEntries < entries.size(); ++i) {
    fs::remove_all(entries[i].second, error);
    const std::string key = entries[i].second.filename().string();
    fs::remove(entries[i].second.parent_path() / ("." + key + ".lock"), error);
  }
}

}  // namespace serin::backends
