// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/who.h"

namespace serin::gateway {

std::string Identity::client() const {
  if (!key.empty()) return "key:" + key;
  if (!subject.empty()) return "jwt:" + issuer + "#" + subject;
  return {};
}

std::string_view name_of(NamedBy by) {
  switch (by) {
    case NamedBy::kNothing:
      return "nothing";
    case NamedBy::kHeader:
      return "header";
    case NamedBy::kToken:
      return "token";
    case NamedBy::kKey:
      return "key";
    case NamedBy::kBody:
      return "body";
  }
  return "";
}

User user_of(std::string_view user_header, const net::Headers& headers, const Identity& identity,
             const std::function<std::string()>& body_user) {
  if (!user_header.empty()) {
    if (const std::string_view named = headers.get(user_header); !named.empty())
      return {std::string(named), NamedBy::kHeader};
  }
  // Subjects are unique only within their issuer.
  if (!identity.subject.empty()) return {identity.issuer + "#" + identity.subject, NamedBy::kToken};
  if (!identity.key.empty()) return {identity.key, NamedBy::kKey};
  if (std::string named = body_user(); !named.empty()) return {std::move(named), NamedBy::kBody};
  return {};
}

}  // namespace serin::gateway
