// SPDX-License-Identifier: Apache-2.0
// Services and rollouts of the control API as text for people. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace serin::cli {

// A row for each service.
std::string service_table(const json::array& services);
// A row for each version that runs or gets traffic, of every service; for who watches.
std::string version_table(const json::array& services);
// Everything about one.
std::string service_text(const json::value& service, const json::array& events);

// A rollout: where it stands, why, and what each metric says.
std::string rollout_text(const std::string& service, const json::value& rollout);
// The same in one line.
std::string rollout_line(const json::value& rollout);
// How far each metric of one that runs is from its verdict, in a line; empty where there is none.
std::string evidence_line(const json::value& rollout);
std::string history_table(const json::array& rollouts);

// "21:05:02  story v2  WeightChanged  10 % to 20 %: …"
std::string event_line(const json::value& event);

}  // namespace serin::cli
