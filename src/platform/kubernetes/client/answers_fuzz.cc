// SPDX-License-Identifier: Apache-2.0
// Everything that is read of an API server and of a plugin: whatever they say, it reads on.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "platform/kubernetes/client/exec_plugin.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/object_cache.h"
#include "platform/kubernetes/client/status.h"
#include "platform/kubernetes/client/time.h"
#include "platform/kubernetes/client/watch_event.h"

namespace {

using namespace serin;
using namespace serin::platform::kubernetes;

void watch(std::string_view text) {
  ObjectCache cache;
  Lines lines(1 << 16);
  const std::size_t half = text.size() / 2;
  const auto take = [&](std::string_view line) -> Status {
    SERIN_TRY_ASSIGN(WatchEvent event, parse_watch_event(line));
    SERIN_CHECK(!version_of(event.object).empty());
    const bool gone = event.kind == WatchEvent::Kind::kGone;
    for (const Change& change :
         gone ? cache.erase(std::move(event.object)) : cache.put(std::move(event.object)))
      SERIN_CHECK(change.before || change.after);
    return {};
  };
  if (lines.feed(text.substr(0, half), take))
    static_cast<void>(lines.feed(text.substr(half), take));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      watch(text);
      break;
    case 1:
      SERIN_CHECK(!error_of(net::Response{503, {}, std::string(text)}).message.empty());
      break;
    case 2:
      if (const auto answer = read_plugin_answer(text, "v1"))
        SERIN_CHECK(!answer->token.empty() || !answer->certificate.empty());
      break;
    default:
      if (const auto time = parse_time(text)) {
        const auto again = parse_time(micro_time(*time));  // an offset may lead out of the range
        SERIN_CHECK(!again || *again == *time);
      }
  }
  return 0;
}
