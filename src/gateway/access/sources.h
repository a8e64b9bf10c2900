// SPDX-License-Identifier: Apache-2.0
// Where keys come from: files of API keys, and sets of token keys from files, URLs and what an
// issuer says of itself (discovery.h). They are read again without a restart: a file within a
// second of its change, a URL every five minutes and, when a token names a key that it does not
// have, at once (but not more often than every ten seconds). What cannot be read is said in the
// log, and the last good one is kept.
//
// The readers are safe from any thread and never wait for a file or a server; refresh() does, and
// is for one thread.
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
  // Fetches a URL; blocks.
  using Fetch = std::function<Result<std::string>(const std::string& url)>;
  Sources(const Clock& clock, Fetch fetch) : clock_(clock), fetch_(std::move(fetch)) {}

  struct Wanted {
    std::set<std::string> key_files;
    std::set<TokenKeys> token_keys;
  };
  // From now on these and no others; refresh() reads the new ones.
  void want(const Wanted& wanted);

  // Null until it could be read once.
  std::shared_ptr<const KeyRing> keys(std::string_view file) const;
  std::shared_ptr<const JwkSet> jwks(const TokenKeys& from) const;
  // The set lacks a key that a token names.
  void hurry(const TokenKeys& from);

  // Reads files that have changed and, where it may wait for servers, URLs that are due. Gives the
  // files of API keys that were read anew.
  std::vector<std::string> refresh(bool fetch);

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

  void refresh_jwks(const TokenKeys& from);
  Result<JwkSet> read_set(const TokenKeys& from) const;

  const Clock& clock_;
  const Fetch fetch_;
  mutable std::mutex mutex_;
  std::map<std::string, KeyFile, std::less<>> key_files_;
  std::map<TokenKeys, JwksSource> jwks_;
};

}  // namespace serin::gateway
