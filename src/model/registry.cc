// SPDX-License-Identifier: Apache-2.0
#include "model/registry.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include "base/descriptor.h"
#include "base/files.h"
#include "base/log.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 1> kMigrations = {R"sql(
CREATE TABLE packages(digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE TABLE names(name TEXT NOT NULL, version TEXT NOT NULL,
                   digest TEXT NOT NULL REFERENCES packages(digest),
                   PRIMARY KEY(name, version));
CREATE TABLE uses(owner TEXT PRIMARY KEY, digest TEXT NOT NULL REFERENCES packages(digest));
)sql"};
constexpr int kReadable = 1;
constexpr std::string_view kDatabase = "registry.db";
constexpr std::size_t kLongestWord = 63;

bool is_word(std::string_view text) {
  const auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !text.empty() && text.size() <= kLongestWord && letter(text.front()) &&
         std::ranges::all_of(text,
                             [&](char c) { return letter(c) || c == '.' || c == '_' || c == '-'; });
}

// Lets file systems share the bytes of both files until one is written.
bool copied_in_kernel(const fs::path& from, const fs::path& to) {
  const Descriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const Descriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!source.open() || !target.open()) return false;
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  for (;;) {
    const ssize_t moved =
        ::copy_file_range(source.get(), nullptr, target.get(), nullptr, kPiece, 0);
    if (moved == 0) return true;
    if (moved < 0 && errno != EINTR) return false;
  }
}

Status take_file(const fs::path& from, const fs::path& to, Registry::Take how) {
  std::error_code problem;
  fs::create_directories(to.parent_path(), problem);
  bool done = false;
  if (how == Registry::Take::kLink) {
    fs::create_hard_link(from, to, problem);
    done = !problem;
  }
  if (!done && !copied_in_kernel(from, to)) {
    problem.clear();
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, problem);
    if (problem)
      return fail(Code::kUnknown, "cannot copy " + from.string() + ": " + problem.message());
  }
  ::chmod(to.c_str(), 0444);
  return {};
}

Status take_files(const fs::path& from, const fs::path& to, Registry::Take how) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(from));
  SERIN_TRY_ASSIGN(const auto files, folder.files());
  for (const FoundFile& file : files) SERIN_TRY(take_file(from / file.path, to / file.path, how));
  return {};
}

// Attestations and a signature lie outside the digest: the same package may bring new ones.
Status take_additions(const fs::path& from, const fs::path& to) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(from));
  SERIN_TRY_ASSIGN(const auto files, folder.files());
  std::error_code problem;
  for (const FoundFile& file : files) {
    if (fs::exists(to / file.path, problem)) continue;
    const fs::path target = to / file.path;
    fs::path beside = target;
    beside += ".new-" + std::to_string(::getpid());
    fs::remove(beside, problem);
    SERIN_TRY(take_file(from / file.path, beside, Registry::Take::kCopy));
    fs::rename(beside, target, problem);
    if (problem) return fail(Code::kUnknown, target.string() + ": " + problem.message());
  }
  return {};
}

// Once a row says that a package is here, its bytes are on the disk.
void sync_below(const fs::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.open()) ::syncfs(opened.get());
}

std::uint64_t bytes_of(const Package& package) {
  std::uint64_t bytes = 0;
  for (const FileEntry& file : package.manifest.files) bytes += file.size;
  return bytes;
}

// What a copying or a removing that died has left, once nobody can be at it any more.
void remove_leftovers(const fs::path& packages) {
  constexpr std::chrono::hours kAbandoned{24};
  const auto before = fs::file_time_type::clock::now() - kAbandoned;
  std::error_code problem;
  std::vector<fs::path> found;
  for (fs::directory_iterator at(packages, problem), end; !problem && at != end;
       at.increment(problem)) {
    const std::string name = at->path().filename().string();
    const bool partial = name.find(".partial-") != std::string::npos;
    if ((partial || name.ends_with(".removed")) && at->last_write_time(problem) < before)
      found.push_back(at->path());
  }
  for (const fs::path& path : found) fs::remove_all(path, problem);
}

fs::path lock_of(fs::path package) { return package += ".lock"; }

}  // namespace

std::optional<Reference> parse_reference(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Reference reference{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  if (!is_word(reference.name) || !is_word(reference.version)) return std::nullopt;
  return reference;
}

Result<Registry> Registry::open(const fs::path& folder, const Clock& clock) {
  std::error_code problem;
  fs::create_directories(folder / "packages", problem);
  if (problem) {
    return fail(Code::kPermissionDenied,
                "the registry " + folder.string() + " cannot be made: " + problem.message());
  }
  SERIN_TRY_ASSIGN(Database database, Database::open(folder / kDatabase, kMigrations, kReadable));
  return Registry(folder, std::move(database), clock);
}

Result<Registry> Registry::open_existing(const fs::path& folder, const Clock& clock) {
  std::error_code problem;
  if (fs::exists(folder / kDatabase, problem)) return open(folder, clock);
  return fail(Code::kNotFound, "there is no registry " + folder.string() +
                                   "; `serin package push FOLDER NAME:VERSION` makes one");
}

fs::path Registry::place_of(const std::string& digest) const {
  std::string name = digest;
  std::ranges::replace(name, ':', '-');
  return folder_ / "packages" / name;
}

Status Registry::known(const std::string& digest) {
  bool found = false;
  SERIN_TRY(database_.run("UPDATE packages SET used = ?2 WHERE digest = ?1",
                          {digest, unix_seconds(*clock_)}));
  SERIN_TRY(database_.each("SELECT 1 FROM packages WHERE digest = ?1", {digest},
                           [&](const SqlRow&) -> Status {
                             found = true;
                             return {};
                           }));
  if (found) return {};
  return fail(Code::kNotFound, "the registry has no package " + digest);
}

Result<HeldPackage> Registry::hold(const std::string& digest) {
  const fs::path root = place_of(digest);
  SERIN_TRY_ASSIGN(Descriptor lock, open_lock(lock_of(root)));
  if (::flock(lock.get(), LOCK_SH) != 0)
    return fail(error_of_errno(errno, "cannot lock " + root.string()));
  return HeldPackage{root, digest, std::move(lock)};
}

Result<HeldPackage> Registry::at(const std::string& digest) {
  std::optional<HeldPackage> held;
  // prune() removes within a transaction too: what is held here was there.
  SERIN_TRY(database_.transaction([&]() -> Status {
    SERIN_TRY(known(digest));
    SERIN_TRY_ASSIGN(held, hold(digest));
    return {};
  }));
  return *std::move(held);
}

Result<HeldPackage> Registry::find(const Reference& reference) {
  std::string digest;
  SERIN_TRY(database_.each("SELECT digest FROM names WHERE name = ?1 AND version = ?2",
                           {reference.name, reference.version}, [&](const SqlRow& row) -> Status {
                             digest = row.text(0);
                             return {};
                           }));
  if (digest.empty()) {
    return fail(Code::kNotFound, "the registry " + folder_.string() + " has no " +
                                     reference.text() + "; serin package push FOLDER " +
                                     reference.text());
  }
  return at(digest);
}

// Within a transaction.
Status Registry::take_place(const fs::path& copy, const std::string& digest) {
  const fs::path target = place_of(digest);
  std::error_code problem;
  fs::remove_all(target, problem);  // of one that died before its row was written
  fs::rename(copy, target, problem);
  if (!problem) return {};
  return fail(Code::kUnknown, "cannot make " + target.string() + ": " + problem.message());
}

Result<HeldPackage> Registry::add(const fs::path& root, Take how) {
  SERIN_TRY_ASSIGN(const Package package, open_package(root, Verify::kDigests));
  if (auto there = at(package.digest)) {
    SERIN_TRY(take_additions(root, there->root));
    return there;
  }
  const Partial copy(place_of(package.digest));
  std::error_code problem;
  fs::remove_all(copy.path(), problem);
  SERIN_TRY(take_files(root, copy.path(), how));
  SERIN_TRY_ASSIGN(const Package taken, open_package(copy.path(), Verify::kDigests));
  if (taken.digest != package.digest)
    return fail(Code::kDataLoss, root.string() + " was written while it was copied");
  sync_below(copy.path());
  std::optional<HeldPackage> held;
  SERIN_TRY(database_.transaction([&]() -> Status {
    if (!known(package.digest)) {
      SERIN_TRY(take_place(copy.path(), package.digest));
      SERIN_TRY(database_.run(
          "INSERT INTO packages VALUES (?1, ?2, ?3)",
          {package.digest, static_cast<std::int64_t>(bytes_of(package)), unix_seconds(*clock_)}));
    }
    SERIN_TRY_ASSIGN(held, hold(package.digest));
    return {};
  }));
  return *std::move(held);
}

Status Registry::tag(const Reference& reference, const std::string& digest, bool replace) {
  return database_.transaction([&]() -> Status {
    SERIN_TRY(known(digest));
    std::string other;
    SERIN_TRY(database_.each("SELECT digest FROM names WHERE name = ?1 AND version = ?2",
                             {reference.name, reference.version}, [&](const SqlRow& row) -> Status {
                               other = row.text(0);
                               return {};
                             }));
    if (!other.empty() && other != digest && !replace) {
      return fail(Code::kAlreadyExists, reference.text() + " is another package, " + other +
                                            "; --replace gives it the name");
    }
    return database_.run("INSERT OR REPLACE INTO names VALUES (?1, ?2, ?3)",
                         {reference.name, reference.version, digest});
  });
}

Status Registry::untag(const Reference& reference) {
  std::int64_t removed = 0;
  SERIN_TRY(database_.each("DELETE FROM names WHERE name = ?1 AND version = ?2 RETURNING 1",
                           {reference.name, reference.version}, [&](const SqlRow& row) -> Status {
                             removed = row.integer(0);
                             return {};
                           }));
  if (removed != 0) return {};
  return fail(Code::kNotFound, "the registry has no " + reference.text());
}

Status Registry::use(const std::string& owner, const std::string& digest) {
  return database_.transaction([&]() -> Status {
    SERIN_TRY(known(digest));
    return database_.run("INSERT OR REPLACE INTO uses VALUES (?1, ?2)", {owner, digest});
  });
}

Status Registry::release(const std::string& owner) {
  return database_.run("DELETE FROM uses WHERE owner = ?1", {owner});
}

Result<std::vector<Registry::Entry>> Registry::list() {
  std::vector<Entry> entries;
  SERIN_TRY(database_.each(
      "SELECT digest, bytes, used FROM packages", {}, [&](const SqlRow& row) -> Status {
        entries.push_back(
            {row.text(0), static_cast<std::uint64_t>(row.integer(1)), row.integer(2), {}, {}});
        return {};
      }));
  for (Entry& entry : entries) {
    SERIN_TRY(database_.each(
        "SELECT name || ':' || version FROM names WHERE digest = ?1 ORDER BY name, version",
        {entry.digest}, [&](const SqlRow& row) -> Status {
          entry.names.push_back(row.text(0));
          return {};
        }));
    SERIN_TRY(database_.each("SELECT owner FROM uses WHERE digest = ?1 ORDER BY owner",
                             {entry.digest}, [&](const SqlRow& row) -> Status {
                               entry.users.push_back(row.text(0));
                               return {};
                             }));
  }
  const auto place = [](const Entry& entry) {
    return std::pair(entry.names.empty(), entry.names.empty() ? entry.digest : entry.names.front());
  };
  std::ranges::sort(entries, {}, place);
  return entries;
}

Result<std::vector<Registry::Entry>> Registry::prune(std::chrono::seconds unused_for) {
  std::vector<Entry> removed;
  std::vector<fs::path> going;
  const std::int64_t before = unix_seconds(*clock_) - unused_for.count();
  SERIN_TRY(database_.transaction([&]() -> Status {
    SERIN_TRY_ASSIGN(std::vector<Entry> entries, list());
    for (Entry& entry : entries) {
      if (!entry.names.empty() || !entry.users.empty() || entry.used > before) continue;
      const fs::path root = place_of(entry.digest);
      SERIN_TRY_ASSIGN(const Descriptor lock, open_lock(lock_of(root)));
      if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
      fs::path away = root;
      away += ".removed";
      std::error_code problem;
      fs::rename(root, away, problem);
      SERIN_TRY(database_.run("DELETE FROM packages WHERE digest = ?1", {entry.digest}));
      going.push_back(std::move(away));
      removed.push_back(std::move(entry));
    }
    return {};
  }));
  for (const fs::path& path : going) {
    std::error_code problem;
    fs::remove_all(path, problem);
    if (problem) log::warning("cannot remove a package", {{"path", path.string()}});
  }
  remove_leftovers(folder_ / "packages");
  return removed;
}

}  // namespace serin::model
