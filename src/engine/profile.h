// SPDX-License-Identifier: Apache-2.0
// The execution profile: what besides package, request and seed a result may depend on. Pure, but
// for reading the CPU.
#pragma once

#include <string>

#include "engine/backend.h"

namespace serin::engine {

// The level of the x86-64 psABI that this CPU and its kernel support, "x86-64-v3", with "+amx" for
// matrix tiles; the architecture's name elsewhere.
std::string instruction_set();

// Of what is computed elsewhere: nothing is known of it.
inline constexpr const char* kRemoteProfile = "remote";
// "cpu/x86-64-v4+amx/threads=2"
std::string profile_of(const Device& device, const std::string& instructions, int threads);

}  // namespace serin::engine
