// SPDX-License-Identifier: Apache-2.0
// Where an issuer's keys are, as it says itself: OpenID Connect Discovery 1.0, section 4. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace serin::gateway {

// Where its document is; of an issuer that can be asked (base/issuer.h).
std::string discovery_url(std::string_view issuer);

// The document's jwks_uri. kInvalidArgument, naming `where`, for what is no such document, or that
// of an issuer whose name differs in a single byte (section 4.3), or keys that are not at https.
Result<std::string> discovered_jwks_uri(std::string_view document, std::string_view issuer,
                                        std::string_view where);

}  // namespace serin::gateway
