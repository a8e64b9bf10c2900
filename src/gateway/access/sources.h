// SPDX-License-Identifier: Apache-2.0
// Where keys come from: files of API keys, and sets of token keys from files, URLs and what an
// issuer says of itself (discovery.h). They are read again without a restart: a file within a
// second of its change, a URL every five minutes and, when a token names a key that it does not
// have, at once (but not more often than every ten seconds). What cannot be read is said in the
// log, and the last good one is kept.
//
// The readers are safe from any thread and never wait for a file or a server. read_files() waits
// for the disk, fetch_due() for servers, however slow; each is for one thread at a time, and
// neither waits for the other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_stamp.h"
#include "gateway/access/jwk.h"
#include "gateway/access/keys.h"

namespace serin::gateway {

// Where the keys of a rule's tokens are.
struct TokenKeys {
  enum class Kind : std::uint8_t { kFile, kUri, kIssuer } kind = Kind::kFile;
  std::string name;  // the file's, the URL's or the issuer's
  auto operator<=>(const TokenKeys&) const = default;
};
TokenKeys token_keys_of(const JwtRule& rule);

class Sources {
 public:
  // Fetches a URL; blocks, until it is cancelled at most.
  using Fetch =
      std::function<Result<std::string>(const std::string& url, const CancelToken& cancel)>;
  Sources(const Clock& clock, Fetch fetch) : clock_(clock), fetch_(std::move(fetch)) {}

  struct Wanted {
    std::set<std::string> key_files;
    std::set<TokenKeys> token_keys;
  };
  // From now on these and no others; what is new has yet to be read.
  void want(const Wanted& wanted);

  // Null until it could be read once.
  std::shared_ptr<const KeyRing> keys(std::string_view file) const;
  std::shared_ptr<const JwkSet> jwks(const TokenKeys& from) const;
  // The set lacks a key that a token names.
  void hurry(const TokenKeys& from);

  // Reads files that have changed. Gives those of API keys that were read anew.
  std::vector<std::string> read_files();
  // Fetches the sets of servers that are due, one after the other.
  void fetch_due(const CancelToken& cancel);

 private:
  struct KeyFile {
    std::optional<FileStamp> stamp;
    std::shared_ptr<const KeyRing> ring;
  };
  struct JwksSource {
    std::optional<FileStamp> stamp;
    Instant due{};
    Instant fetched{};
    std::shared_ptr<const JwkSet> set;
  };

  std::vector<TokenKeys> sets() const;
  bool read_keys(const std::string& file, const std::optional<FileStamp>& known);
  void read_jwks(const TokenKeys& from);
  void fetch_jwks(const TokenKeys& from, const CancelToken& cancel);
  Result<JwkSet> fetched_set(const TokenKeys& from, const CancelToken& cancel) const;

  const Clock& clock_;
  const Fetch fetch_;
  mutable std::mutex mutex_;
  std::map<std::string, KeyFile, std::less<>> key_files_;
  std::map<TokenKeys, JwksSource> jwks_;
};

}  // namespace serin::gateway
