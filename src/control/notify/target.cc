// SPDX-License-Identifier: Apache-2.0
#include "control/notify/target.h"

#include <algorithm>

#include "base/last_resort.h"
#include "base/quantity.h"
#include "base/words.h"

namespace serin::control::notify {
namespace {

constexpr std::string_view kWebhookFailed = "WebhookFailed";
constexpr std::string_view kCommandFailed = "CommandFailed";

std::vector<std::string> words_at(const json::object& object, std::string_view field) {
  std::vector<std::string> words;
  if (const auto* found = object.if_contains(field)) {
    for (const json::value& word : found->as_array()) words.emplace_back(word.as_string());
  }
  return words;
}

std::string text_at(const json::object& object, std::string_view field) {
  const auto* found = object.if_contains(field);
  return found == nullptr ? std::string() : std::string(found->as_string());
}

Result<std::chrono::milliseconds> duration_at(const json::object& object, std::string_view field) {
  SERIN_TRY_ASSIGN(const double seconds, parse_duration(text_at(object, field)));
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

Result<Target> target_of(const json::object& object) {
  Target target{.name = text_at(object, "name"),
                .url = text_at(object, "url"),
                .secret_file = text_at(object, "secretFile"),
                .command = words_at(object, "command"),
                .events = words_at(object, "events")};
  SERIN_TRY_ASSIGN(target.timeout, duration_at(object, "timeout"));
  SERIN_TRY_ASSIGN(target.retry_for, duration_at(object, "retryFor"));
  return target;
}

}  // namespace

Result<Target> read_target(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::value value, parse_json(text));
  auto target = attempt("reading who is to be told", [&] { return target_of(value.as_object()); });
  if (!target) target.error().code = Code::kDataLoss;
  return target;
}

bool wants(const Target& target, std::string_view reason) {
  if (reason == kWebhookFailed || reason == kCommandFailed) return false;
  return std::ranges::any_of(
      target.events, [&](const std::string& pattern) { return fits_pattern(pattern, reason); });
}

std::string_view reason_of_failure(const Target& target) {
  return target.is_command() ? kCommandFailed : kWebhookFailed;
}

}  // namespace serin::control::notify
