// SPDX-License-Identifier: Apache-2.0
// The packages of this machine by name, such as "storyteller:v2". Content-addressed: a package lies
// here once, whatever it is called, and does not change when the folder that it came from does.
// Shared by every process that opens the same folder; one thread an object.
//
//   FOLDER/registry.db             what is called how, and who uses what
//   FOLDER/packages/sha256-HEX/    a package; HEX.lock beside it is held by those who read it
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/sqlite.h"
#include "model/package_cache.h"

namespace serin::model {

// NAME:VERSION. Both begin with a letter or a digit and go on with those, '.', '_' and '-'; at most
// 63 bytes each. Not a path and not a URL, which have a '/'; a file of such a name is
// ./NAME:VERSION.
struct Reference {
  std::string name, version;
  std::string text() const { return name + ":" + version; }
};
std::optional<Reference> parse_reference(std::string_view text);

class Registry {
 public:
  // Makes what is missing.
  static Result<Registry> open(const std::filesystem::path& folder,
                               const Clock& clock = Clock::real());
  // kNotFound where there is none: for those who only look, or change what is there.
  static Result<Registry> open_existing(const std::filesystem::path& folder,
                                        const Clock& clock = Clock::real());

  enum class Take {
    kCopy,  // somebody may write to the files later
    kLink,  // nobody does: the same bytes under a second name, where the file system can
  };
  // Checks every byte of the package in `root` and keeps it; attestations and signatures that are
  // new join what is there. Blocks while it reads. kDataLoss when a file is not the listed bytes.
  Result<HeldPackage> add(const std::filesystem::path& root, Take how);

  // kNotFound when nothing is called so, or there is no such package.
  Result<HeldPackage> find(const Reference& reference);
  Result<HeldPackage> at(const std::string& digest);

  // kAlreadyExists when it names another package and `replace` is not set.
  Status tag(const Reference& reference, const std::string& digest, bool replace);
  Status untag(const Reference& reference);  // kNotFound when nothing is called so

  // `owner` needs the package until it releases it or names another one.
  Status use(const std::string& owner, const std::string& digest);
  Status release(const std::string& owner);

  struct Entry {
    std::string digest;
    std::uint64_t bytes = 0;
    std::int64_t used = 0;           // unix seconds: last added, found or tagged
    std::vector<std::string> names;  // sorted
    std::vector<std::string> users;  // sorted
  };
  // By first name, those without one last.
  Result<std::vector<Entry>> list();

  // Removes what has no name and no user, was not used for so long and is not being read; what it
  // removed.
  Result<std::vector<Entry>> prune(std::chrono::seconds unused_for);

 private:
  Registry(std::filesystem::path folder, Database database, const Clock& clock)
      : folder_(std::move(folder)), database_(std::move(database)), clock_(&clock) {}
  std::filesystem::path place_of(const std::string& digest) const;
  Result<HeldPackage> hold(const std::string& digest);
  Status known(const std::string& digest);
  Status take_place(const std::filesystem::path& copy, const std::string& digest);

  std::filesystem::path folder_;
  Database database_;
  const Clock* clock_;
};

}  // namespace serin::model
