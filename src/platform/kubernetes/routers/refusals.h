// SPDX-License-Identifier: Apache-2.0
// What each layer cannot do of a manifest. One table a layer; docs/kubernetes-traffic.md shows them
// beside what is mapped.
#pragma once

#include <span>
#include <string_view>

#include "platform/kubernetes/objects/fields.h"

namespace serin::platform::kubernetes {

struct Refusal {
  std::string_view field;  // below spec; also stands for all fields below it
  std::string_view only;   // this value alone; empty: whatever is not the default
  std::string_view why;    // and what to write instead
};

std::span<const Refusal> refusals_of(Router router);

}  // namespace serin::platform::kubernetes
