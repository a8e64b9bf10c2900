// SPDX-License-Identifier: Apache-2.0
// Request targets and URLs (RFC 3986, RFC 9112 section 3.2): pure functions for any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace serin::net {

// %XX decoded; nullopt for a malformed escape.
std::optional<std::string> percent_decode(std::string_view text);
// %XX for all but the unreserved characters; '/' stays when `keep_slash`.
std::string percent_encode(std::string_view text, bool keep_slash = false);
// As in application/x-www-form-urlencoded: '+' is a space, and a malformed escape stands for
// itself.
std::string form_decode(std::string_view text);

// The path of a target in origin-form, decoded into `path` (whose memory is used again). Refused,
// so that nobody behind us reads it another way: escapes that hide '/', '\' or a control byte, and
// dot segments. Bytes that a target may not hold are the caller's to refuse. Returns what is wrong;
// empty when nothing is.
std::string_view decode_path(std::string_view raw, std::string& path);

// host or host:port or [v6]:port, no user information.
bool is_authority(std::string_view text);

// Where a client's request goes.
struct Endpoint {
  bool tls = false;
  std::string host;  // empty for a Unix socket
  std::uint16_t port = 0;
  std::string unix_socket;             // empty for TCP
  std::string authority;               // for the Host field
  std::string target;                  // path and query, never empty
  std::vector<std::string> addresses;  // what the host stands for; empty: it is looked up

  // The same for two requests that one connection can carry.
  std::string key() const;
};

// http://host[:port][/path], https://…, unix:/path/to.sock:/path. kInvalidArgument says what is
// wrong.
Result<Endpoint> parse_url(std::string_view url);

}  // namespace serin::net
