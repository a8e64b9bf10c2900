// SPDX-License-Identifier: Apache-2.0
// Who signs tokens, by name.
#pragma once

#include <string_view>

namespace serin {

// Whether an issuer of this name can say itself where its keys are, as OpenID Connect Discovery 1.0
// has it: https, with neither a query nor a fragment. Pure.
bool says_its_keys(std::string_view issuer);

}  // namespace serin
