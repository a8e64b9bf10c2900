// SPDX-License-Identifier: Apache-2.0
#include "control/notify/message.h"

#include <utility>

#include "base/base64.h"
#include "base/digest.h"
#include "base/entries.h"
#include "base/hmac.h"
#include "base/log.h"

namespace serin::control::notify {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::size_t kLeastBytes = 24;
constexpr std::size_t kMostBytes = 64;
constexpr std::size_t kMostSecrets = 4;

json::object data_of(const Event& event) {
  return {{"id", event.id},
          {"time", log::timestamp(event.time)},
          {"type", event.warning ? "Warning" : "Normal"},
          {"service", event.service},
          {"version", event.version},
          {"reason", event.reason},
          {"message", event.message}};
}

}  // namespace

Message message_of(const Event& event) {
  const json::object data = data_of(event);
  Message message;
  // Two control planes give one number to different events; the whole of it tells them apart.
  message.id = "evt_" + sha256_hex(canonical_json(data)).substr(0, 32);
  message.body = json::serialize(json::object{
      {"type", event.reason}, {"timestamp", log::timestamp(event.time)}, {"data", data}});
  return message;
}

Result<std::vector<std::string>> parse_secrets(std::string_view text, std::string_view where) {
  std::vector<std::string> secrets;
  for (const auto& [line, entry] : entries_of(text)) {
    const bool prefixed = entry.starts_with(kPrefix);
    auto secret = prefixed ? from_base64(entry.substr(kPrefix.size())) : from_base64("!");
    if (!secret || secret->size() < kLeastBytes || secret->size() > kMostBytes)
      return invalid(std::string(where) + ":" + std::to_string(line) +
                     ": must be whsec_ and 24 to 64 bytes in base64");
    secrets.push_back(std::move(*secret));
  }
  if (secrets.empty() || secrets.size() > kMostSecrets)
    return invalid(std::string(where) + " must hold 1 to " + std::to_string(kMostSecrets) +
                   " secrets, one a line");
  return secrets;
}

std::string signature_of(const Message& message, std::int64_t seconds,
                         const std::vector<std::string>& secrets) {
  const std::string signed_text = message.id + "." + std::to_string(seconds) + "." + message.body;
  std::string signatures;
  for (const std::string& secret : secrets) {
    if (!signatures.empty()) signatures += ' ';
    signatures += "v1," + to_base64(hmac_sha256(secret, signed_text));
  }
  return signatures;
}

Variables environment_of(const Event& event, const Message& message) {
  return {{"SERIN_EVENT_ID", message.id},
          {"SERIN_EVENT_TIME", log::timestamp(event.time)},
          {"SERIN_EVENT_TYPE", event.warning ? "Warning" : "Normal"},
          {"SERIN_EVENT_SERVICE", event.service},
          {"SERIN_EVENT_VERSION", event.version},
          {"SERIN_EVENT_REASON", event.reason},
          {"SERIN_EVENT_MESSAGE", event.message}};
}

}  // namespace serin::control::notify
