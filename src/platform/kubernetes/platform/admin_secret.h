// SPDX-License-Identifier: Apache-2.0
// How an operator and the gateway's pods of a namespace know each other: by a certificate that the
// pods show, and a token that the operator does. Both lie in one Secret, which the pods mount.
//
//   tls.crt, tls.key   the pods'
//   previous.crt       that of before, which pods show that have not been replaced yet
//   token              the operator's, for as long as the Secret lasts
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "platform/kubernetes/platform/certificate.h"

namespace serin::platform::kubernetes {

// What a client needs to speak to the admin API of such pods.
struct AdminAccess {
  std::string authorities;  // PEM
  std::string server_name;
  std::string token;
  std::string digest;  // of what pods read at their start alone: another one starts them anew
  bool operator==(const AdminAccess&) const = default;
};

// The Secret as it is to be: `live` (null: there is none) while it is whole and its certificate
// lasts, else with another certificate, or new altogether.
Result<json::object> admin_secret_of(const json::value& live, std::string_view name_space,
                                     WallTime now);

// kFailedPrecondition where something is missing.
Result<AdminAccess> admin_access_of(const json::value& secret, std::string_view name_space);

}  // namespace serin::platform::kubernetes
