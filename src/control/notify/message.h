// SPDX-License-Identifier: Apache-2.0
// An event as others are told of it: the body, the identity and the signature of Standard Webhooks
// (https://github.com/standard-webhooks/standard-webhooks), and a command's environment. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/subprocess.h"
#include "control/record.h"

namespace serin::control::notify {

struct Message {
  std::string id;    // the same whenever the event is told again
  std::string body;  // {"type", "timestamp", "data": {…}}
};
Message message_of(const Event& event);

// The secrets of a file: "whsec_" and 24 to 64 bytes in base64, one a line; '#' begins a comment.
// One to four, so that one can be changed for another. kInvalidArgument names `where` and the line.
Result<std::vector<std::string>> parse_secrets(std::string_view text, std::string_view where);

// The value of webhook-signature: one of each secret. `seconds`: since 1970, what webhook-timestamp
// says.
std::string signature_of(const Message& message, std::int64_t seconds,
                         const std::vector<std::string>& secrets);

// SERIN_EVENT_ID, SERIN_EVENT_REASON …
Variables environment_of(const Event& event, const Message& message);

}  // namespace serin::control::notify
