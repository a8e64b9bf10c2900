// SPDX-License-Identifier: Apache-2.0
#include "base/issuer.h"

namespace serin {

bool says_its_keys(std::string_view issuer) {
  constexpr std::string_view kHttps = "https://";
  return issuer.starts_with(kHttps) && issuer.size() > kHttps.size() &&
         issuer.find_first_of("?#") == std::string_view::npos;
}

}  // namespace serin
