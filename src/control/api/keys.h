// SPDX-License-Identifier: Apache-2.0
// Who may use the control API over the network: bearer keys, known only by their hashes
// (`serin key new`), each for reading, for changing, or for both. Read from a YAML file:
//
//   keys:
//   - name: ci
//     hashes: [27392068…]      # two while a key is changed for another
//     scopes: [read, write]
//     expires: 2027-01-31      # the first day on which it is no longer good, UTC; may be left out
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_stamp.h"

namespace serin::control::api {

enum class Scope : std::uint8_t { kRead, kWrite };

struct Key {
  std::string name;
  bool read = false, write = false;
  std::optional<std::chrono::system_clock::time_point> expires;
};

// Keys by their hashes. Immutable once read, safe from any thread.
class KeyRing {
 public:
  // kInvalidArgument: "WHERE:LINE:COLUMN: path: what". No two keys share a name or a hash.
  static Result<KeyRing> parse(std::string_view text, std::string_view where);

  // Null for a secret that is none of them.
  const Key* find(std::string_view secret) const;
  std::size_t size() const { return by_hash_.size(); }

 private:
  std::map<std::string, Key, std::less<>> by_hash_;
};

// The keys of a file that is read again, without a restart, within a second of its change. One
// thread.
class KeyFile {
 public:
  // The clock outlives it. An error when the file cannot be read.
  static Result<KeyFile> open(std::filesystem::path file, const Clock& clock);

  // The name of the key in an Authorization field. kUnauthenticated: "invalid_api_key",
  // "expired_api_key"; kPermissionDenied: "scope_missing".
  Result<std::string> admit(std::string_view authorization, Scope scope);

 private:
  KeyFile(std::filesystem::path file, const Clock& clock)
      : file_(std::move(file)), clock_(&clock) {}
  Status read();
  void refresh();

  std::filesystem::path file_;
  const Clock* clock_;
  KeyRing ring_;
  std::optional<FileStamp> stamp_;
  Instant looked_{};
};

}  // namespace serin::control::api
