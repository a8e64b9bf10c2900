// SPDX-License-Identifier: Apache-2.0
// What the operator says of a service: status of its GenerativeService, as
// docs/schema/generative-service-status.json has it. Pure.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "control/controller.h"

namespace serin::cluster {

struct StatusInput {
  std::string name_space, name;
  std::int64_t generation = 0;  // metadata.generation that was looked at
  Status accepted;              // whether its manifest was
  // None while no manifest of it was ever accepted.
  std::optional<control::ServiceView> view;
  control::Moment now{};
};

// `before`: the status that stands there, whose conditions keep their times while they hold; null:
// none.
json::object status_of(const StatusInput& input, const json::value& before);

}  // namespace serin::cluster
