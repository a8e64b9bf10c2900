// SPDX-License-Identifier: Apache-2.0
#include "net/http/h2_ended_streams.h"

#include <algorithm>

namespace serin::net {

void H2EndedStreams::cut_off(std::int32_t id) {
  cut_off_.push_back(id);
  if (cut_off_.size() > kMostRemembered) cut_off_.pop_front();
}

bool H2EndedStreams::forbids(std::int32_t id) const {
  return id <= last_ && std::ranges::find(cut_off_, id) == cut_off_.end();
}

}  // namespace serin::net
