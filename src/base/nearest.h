// SPDX-License-Identifier: Apache-2.0
// For errors about names: which one was meant.
#pragma once

#include <span>
#include <string_view>

namespace serin {

// The name among `known` that a person most likely meant; empty when none is near.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

}  // namespace serin
