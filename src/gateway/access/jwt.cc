// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/jwt.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/base64.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kLongest = 16 * 1024;
constexpr JsonLimits kDepth{.depth = 16};

tl::unexpected<Error> refused(std::string message, std::string reason = "invalid_token") {
  return fail({Code::kUnauthenticated, "the token " + std::move(message), std::move(reason)});
}

// header.payload.signature
struct Parts {
  std::string_view header, payload, signature;
  std::string_view message;  // what is signed
};

std::optional<Parts> split(std::string_view token) {
  if (token.size() > kLongest) return std::nullopt;
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

std::optional<json::object> object_of(std::string_view part) {
  const auto text = from_base64url(part);
  if (!text) return std::nullopt;
  auto value = parse_json(*text, kDepth);
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

// A claim that is text; empty when it is missing or something else.
std::string text_of(const json::object& object, std::string_view name) {
  const json::value* found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

// A NumericDate in seconds; none when it is missing or no number that is a time.
std::optional<double> time_of(const json::object& claims, std::string_view name) {
  const json::value* found = claims.if_contains(name);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  const double seconds = found->to_number<double>();
  return std::abs(seconds) < 1e15 ? std::optional(seconds) : std::nullopt;
}

// The header's demands; what this verifies by.
Result<JwtAlgorithm> check_header(const json::object& header, const JwtRule& rule) {
  const auto algorithm = parse_algorithm(text_of(header, "alg"));
  if (!algorithm || std::ranges::find(rule.algorithms, *algorithm) == rule.algorithms.end())
    return refused("is signed with an algorithm that is not accepted here");
  // Extensions that must be understood: none is.
  if (header.contains("crit")) return refused("asks for extensions that are not known here");
  std::string type = text_of(header, "typ");
  std::ranges::transform(type, type.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (type.starts_with("application/")) type.erase(0, 12);
  if (header.contains("typ") && type != "jwt" && type != "at+jwt")
    return refused("is of another type than JWT");
  return *algorithm;
}

Status check_signature(const Parts& parts, const json::object& header, JwtAlgorithm algorithm,
                       const JwkSet& keys) {
  const auto signature = from_base64url(parts.signature);
  if (!signature) return refused("has a malformed signature");
  const std::string id = text_of(header, "kid");
  bool known = id.empty();
  for (const Jwk& key : keys.keys()) {
    if (!id.empty() && key.id() != id) continue;
    known = true;
    if (key.verifies(algorithm, parts.message, *signature)) return {};
  }
  if (!known) return refused("is signed with a key that is not known here", "unknown_token_key");
  return refused("has a signature that is not its issuer's");
}

bool for_audience(const json::object& claims, const std::vector<std::string>& audiences) {
  if (audiences.empty()) return true;
  const auto wanted = [&](const json::value& one) {
    return one.is_string() &&
           std::ranges::find(audiences, std::string_view(one.get_string())) != audiences.end();
  };
  const json::value* found = claims.if_contains("aud");
  if (found == nullptr) return false;
  return found->is_array() ? std::ranges::any_of(found->get_array(), wanted) : wanted(*found);
}

Status check_claims(const json::object& claims, const JwtRule& rule,
                    std::chrono::system_clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  const auto leeway = static_cast<double>(rule.leeway.count());
  if (text_of(claims, "iss") != rule.issuer) return refused("is of another issuer");
  if (!for_audience(claims, rule.audiences)) return refused("is not meant for this service");
  const auto expires = time_of(claims, "exp");
  if (!expires) return refused("does not say when it expires");
  if (seconds >= *expires + leeway) return refused("has expired", "expired_token");
  if (claims.contains("nbf")) {
    const auto begins = time_of(claims, "nbf");
    if (!begins || seconds < *begins - leeway) return refused("is not valid yet");
  }
  if (claims.contains("sub") && !claims.at("sub").is_string())
    return refused("has a subject that is no text");
  return {};
}

}  // namespace

std::string claimed_issuer(std::string_view token) {
  const auto parts = split(token);
  if (!parts) return {};
  const auto claims = object_of(parts->payload);
  return claims ? text_of(*claims, "iss") : std::string();
}

Result<JwtClaims> verify_jwt(std::string_view token, const JwtRule& rule, const JwkSet& keys,
                             std::chrono::system_clock::time_point now) {
  const auto parts = split(token);
  if (!parts) return refused("is malformed: it must be three parts with dots between");
  const auto header = object_of(parts->header);
  if (!header) return refused("has a malformed header");
  SERIN_TRY_ASSIGN(const JwtAlgorithm algorithm, check_header(*header, rule));
  SERIN_TRY(check_signature(*parts, *header, algorithm, keys));
  // Only what is signed is read on.
  auto claims = object_of(parts->payload);
  if (!claims) return refused("has malformed claims");
  SERIN_TRY(check_claims(*claims, rule, now));
  return JwtClaims{text_of(*claims, "iss"), text_of(*claims, "sub"),
                   static_cast<std::int64_t>(*time_of(*claims, "exp")), std::move(*claims)};
}

}  // namespace serin::gateway
