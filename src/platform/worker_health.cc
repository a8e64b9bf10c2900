// SPDX-License-Identifier: Apache-2.0
#include "platform/worker_health.h"

#include "base/json.h"

namespace serin::platform {
namespace {

constexpr std::size_t kLongest = 500;  // of a text that is shown

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(std::string_view(value->get_string()).substr(0, kLongest));
}

}  // namespace

WorkerHealth read_health(int status, std::string_view body) {
  WorkerHealth health;
  health.ready = status == 200;
  health.reason = "it answers with status " + std::to_string(status);
  const auto value = parse_json(body);
  const json::object* object = value ? value->if_object() : nullptr;
  if (object == nullptr) return health;
  if (std::string reason = text_at(*object, "reason"); !reason.empty()) health.reason = reason;
  // While it loads, it answers as any API does.
  const json::value* error = object->if_contains("error");
  if (error != nullptr && error->is_object() && !health.ready) {
    if (std::string message = text_at(error->get_object(), "message"); !message.empty())
      health.reason = message;
  }
  health.stuck = !health.ready && health.reason.starts_with("stuck");
  health.profile = text_at(*object, "serin_profile");
  health.reproducible = text_at(*object, "serin_reproducible");
  return health;
}

}  // namespace serin::platform
