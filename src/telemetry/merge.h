// SPDX-License-Identifier: Apache-2.0
// Several registries as one answer to a scrape. Pure.
#pragma once

#include <string>
#include <vector>

namespace serin::telemetry {

// Prometheus's text of each (Registry::expose()), joined: the format wants all series of a family
// together and said once what it is. Series must differ by a label from one text to the next.
std::string merge_expositions(const std::vector<std::string>& texts);

}  // namespace serin::telemetry
