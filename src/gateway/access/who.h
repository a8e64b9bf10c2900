// SPDX-License-Identifier: Apache-2.0
// Whose request it is. What may enter is proved (a key, a token); what keeps a user on one side of
// a split is named, in this order: the configured header, the verified token's subject, the API
// key, the body's safety_identifier or user. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "net/http/message.h"

namespace serin::gateway {

// What was proved; all empty for a service that asks for nothing.
struct Identity {
  std::string key = {};      // the API key's name
  std::string issuer = {};   // of the token
  std::string subject = {};  // the token's "sub"

  // One word for whose it is, for limits, fairness and logs: "key:team-a", "jwt:ISSUER#SUBJECT".
  // Empty: nobody.
  std::string client() const;
  const std::string& name() const { return key.empty() ? subject : key; }  // for people
};

enum class NamedBy : std::uint8_t { kNothing, kHeader, kToken, kKey, kBody };
std::string_view name_of(NamedBy by);  // "nothing", "header", "token", "key", "body"

struct User {
  std::string name;
  NamedBy by = NamedBy::kNothing;
};

// `body_user` is called only where nothing before it names somebody: it costs reading the body.
User user_of(std::string_view user_header, const net::Headers& headers, const Identity& identity,
             const std::function<std::string()>& body_user);

}  // namespace serin::gateway
