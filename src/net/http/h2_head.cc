// SPDX-License-Identifier: Apache-2.0
#include "net/http/h2_head.h"

#include "net/http/text.h"
#include "net/http/uri.h"

namespace serin::net {

h1::Fault check_h2_head(RequestHead& head, std::uint64_t most_body) {
  if (head.method == "CONNECT") return {501, "no_tunnels", "CONNECT is not served"};
  const auto host = head.headers.find("host");
  if (head.authority.empty()) {
    head.authority = host.value_or("");
  } else if (host && !text::equal_ignoring_case(*host, head.authority)) {
    return {400, "host_mismatch", "host differs from :authority"};
  }
  if (!is_authority(head.authority))
    return {400, "bad_host", ":authority must be a name with or without a port"};
  for (const unsigned char c : head.target)
    if (c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\')
      return {400, "bad_target", "the target holds a byte that must be percent-encoded"};
  const std::size_t question = head.target.find('?');
  const std::string_view wrong =
      decode_path(std::string_view(head.target).substr(0, question), head.path);
  if (!wrong.empty()) return {400, "bad_path", wrong};
  if (question != std::string::npos) head.query = head.target.substr(question + 1);
  const std::string_view length = head.headers.get("content-length");
  if (length.size() > 18 || (!length.empty() && std::stoull(std::string(length)) > most_body))
    return {413, "body_too_large", "the body is larger than the server allows"};
  return {};
}

}  // namespace serin::net
