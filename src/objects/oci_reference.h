// SPDX-License-Identifier: Apache-2.0
// What names an image or an artifact: oci://HOST[:PORT]/REPOSITORY[:TAG|@sha256:HEX] where other
// URLs may stand, and the same without oci:// where only images do. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "objects/http.h"

namespace serin::objects {

struct OciReference {
  std::string host;        // with its port; empty: of this machine alone
  std::string repository;  // "models/glyphs"
  std::string tag;         // "latest" when the URL names neither tag nor digest
  std::string digest;      // "sha256:…"; then `tag` is empty

  const std::string& name() const { return digest.empty() ? tag : digest; }
  std::string text() const;      // without oci://
  std::string api_host() const;  // that answers for `host`: Docker Hub's is another
};
Result<OciReference> parse_oci_url(std::string_view url);
// [HOST/]REPOSITORY[:TAG|@DIGEST], also with oci:// before it. A first segment is a host when it
// has a '.' or a ':', or is "localhost", as other tools have it.
Result<OciReference> parse_image_name(std::string_view text);

// "sha256:" and 64 lower-case hex digits.
bool is_oci_digest(std::string_view text);

// Whether to speak without TLS: with this machine itself, and with the hosts in
// SERIN_PLAIN_HTTP_REGISTRIES (separated by commas).
bool is_plain_http(const OciReference& reference, const Environment& environment);

}  // namespace serin::objects
