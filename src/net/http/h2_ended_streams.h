// SPDX-License-Identifier: Apache-2.0
// Which HEADERS for a stream that is no more break the rules (RFC 9113, section 5.1). A client that
// ended or reset a stream, or passed it over, may not send them. One whose stream we reset may not
// know yet: what it still sends is not its fault, and those streams are remembered, the last
// kMostRemembered. nghttp2 sees to DATA, and lets such HEADERS pass.
//
// Owned by one H2Session, on its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace serin::net {

class H2EndedStreams {
 public:
  static constexpr std::size_t kMostRemembered = 1024;

  void opened(std::int32_t id) { last_ = id > last_ ? id : last_; }
  // It ended by our will, or was never let in, while the client might still send.
  void cut_off(std::int32_t id);
  // Whether HEADERS for a stream that is not open now must not have been sent.
  bool forbids(std::int32_t id) const;

 private:
  std::int32_t last_ = 0;  // the highest that was opened
  std::deque<std::int32_t> cut_off_;
};

}  // namespace serin::net
