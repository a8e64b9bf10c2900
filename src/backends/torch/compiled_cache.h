// SPDX-License-Identifier: Apache-2.0
// Machine code that was compiled here of exported programs, a folder each:
//   <cache>/<digest of the .pt2>/<key>/model.so, perhaps model.json, and entry.json with the digest
//   of each
// so that the sandbox of a worker shows it one package's code and no other's.
// The code runs in the worker, so an entry is used only where the folder is ours alone (owner, mode
// 0700) and every byte is what was written. The folder is made again where that is not so. Several
// processes may use one cache; without PyTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::backends {

// What the machine code depends on.
struct CompileKey {
  std::string file;     // digest of the .pt2
  std::string program;  // in it
  std::string torch;    // version
  std::string device;
  int threads = 1;
};
// 64 hex digits, of the key and of this machine's instruction set.
std::string digest_of(const CompileKey& key);

struct CompiledEntry {
  std::filesystem::path folder;
  json::value about;  // as given to keep()
};

class CompiledCache {
 public:
  static constexpr std::size_t kMostEntries = 64;

  CompiledCache(std::filesystem::path cache, const std::string& file)
      : cache_(std::move(cache)), folder_(cache_ / file) {}

  // Empty where there is none, also where what is there cannot be trusted: `why_not` says so then.
  std::optional<CompiledEntry> find(const std::string& key, std::string* why_not = nullptr) const;
  // Moves the files of `made` (plain ones) in as the entry, in one step, in place of what is there;
  // entries beyond kMostEntries, of all files, go, the longest unused first.
  Result<CompiledEntry> keep(const std::string& key, const std::filesystem::path& made,
                             json::value about) const;
  // Held while an entry is made, so that it is made once: blocks while another process holds it.
  class Lock;
  Result<Lock> lock(const std::string& key) const;
  // An empty folder to make it in, under the lock. A process that was killed may have left things
  // there: they are gone.
  Result<std::filesystem::path> workplace(const std::string& key) const;

 private:
  Status make_folder() const;
  void forget_old() const;

  std::filesystem::path cache_, folder_;
};

class CompiledCache::Lock {
 public:
  explicit Lock(int file) : file_(file) {}
  Lock(Lock&& other) noexcept : file_(other.file_) { other.file_ = -1; }
  Lock& operator=(Lock&&) = delete;
  ~Lock();

 private:
  int file_;
};

}  // namespace serin::backends
