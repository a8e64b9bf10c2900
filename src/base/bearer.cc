// SPDX-License-Identifier: Apache-2.0
#include "base/bearer.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace serin {

std::string_view bearer_key(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  const auto same = [](char lower, char any) { return lower == (any | ('a' - 'A')); };
  if (authorization.size() <= kScheme.size() ||
      !std::equal(kScheme.begin(), kScheme.end() - 1, authorization.begin(), same) ||
      authorization[kScheme.size() - 1] != ' ')
    return {};
  authorization.remove_prefix(kScheme.size());
  const std::size_t first = authorization.find_first_not_of(' ');
  return first == std::string_view::npos ? std::string_view() : authorization.substr(first);
}

bool is_key_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool same_key_hash(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace serin
