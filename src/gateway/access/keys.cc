// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/keys.h"

#include <algorithm>
#include <set>

#include "base/bearer.h"
#include "base/day.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/words.h"
#include "base/yaml.h"
#include "model/manifest_reader.h"

namespace serin::gateway {
namespace {

using model::Fields;
using model::Problems;
using model::Value;

constexpr YamlLimits kLimits{.bytes = std::size_t{4} << 20, .depth = 8, .nodes = 200'000};
constexpr std::size_t kMostHashes = 8;
constexpr std::int64_t kMostCounted = std::int64_t{1} << 50;

KeyLimits read_limits(const Value& value) {
  KeyLimits limits;
  const Fields fields(value, {"requestsPerMinute", "tokensPerMinute", "concurrency",
                              "requestsPerDay", "tokensPerDay"});
  const auto read = [&](std::string_view name) { return fields[name].integer(1, kMostCounted, 0); };
  limits.requests_per_minute = read("requestsPerMinute");
  limits.tokens_per_minute = read("tokensPerMinute");
  limits.concurrency = read("concurrency");
  limits.requests_per_day = read("requestsPerDay");
  limits.tokens_per_day = read("tokensPerDay");
  return limits;
}

// A '*' may stand at the end alone.
std::vector<std::string> read_patterns(const Value& value) {
  std::vector<std::string> patterns = value.words();
  for (const std::string& pattern : patterns) {
    if (const auto star = pattern.find('*');
        star != std::string::npos && star + 1 != pattern.size())
      value.wrong(shown(pattern) + " has a * that is not its last character");
  }
  if (value.present() && patterns.empty())
    value.wrong("must not be empty; leave it out to allow everything");
  return patterns;
}

std::vector<std::string> read_hashes(const Value& value) {
  std::vector<std::string> hashes = value.words();
  for (const std::string& hash : hashes) {
    if (!is_key_hash(hash))
      value.wrong(
          "must be SHA-256 in 64 lower-case hex digits; `serin key new` makes a key and its hash");
  }
  if (hashes.empty() || hashes.size() > kMostHashes)
    value.wrong("must have 1 to " + std::to_string(kMostHashes) + " hashes");
  return hashes;
}

ApiKey read_key(const Value& value) {
  ApiKey key;
  const Fields fields(
      value, {"name", "hashes", "services", "methods", "priority", "rateAny", "expires", "limits"});
  key.name = fields.required("name").word();
  key.hashes = read_hashes(fields.required("hashes"));
  key.services = read_patterns(fields["services"]);
  key.methods = read_patterns(fields["methods"]);
  key.priority = fields["priority"].one_of<Priority>(
      {{"low", Priority::kLow}, {"normal", Priority::kNormal}, {"high", Priority::kHigh}},
      Priority::kNormal);
  key.rates_any = fields["rateAny"].boolean(false);
  if (const Value expires = fields["expires"]; expires.present()) {
    key.expires = parse_day(expires.text());
    if (!key.expires) expires.wrong("must be a day, as 2027-01-31");
  }
  key.limits = read_limits(fields["limits"]);
  return key;
}

bool method_fits(std::string_view pattern, std::string_view method, std::string_view path) {
  const std::size_t slash = std::min(pattern.find('/'), pattern.size());
  std::string_view word = pattern.substr(0, slash);
  while (word.ends_with(' ')) word.remove_suffix(1);
  const std::string_view rest = pattern.substr(slash);
  return (word.empty() || fits_pattern(word, method)) && (rest.empty() || fits_pattern(rest, path));
}

}  // namespace

Result<KeyRing> KeyRing::parse(std::string_view text, std::string_view where) {
  auto root = parse_yaml(text, kLimits);
  if (!root) return invalid(std::string(where) + ":" + root.error().message);
  auto document = root->to_json();
  if (!document) return invalid(std::string(where) + ":" + document.error().message);
  Problems problems;
  const Fields fields(Value(&*document, model::Path(), problems), {"keys"});
  KeyRing ring;
  std::set<std::string> names;
  for (const Value& item : fields.required("keys").list()) {
    ApiKey key = read_key(item);
    if (!names.insert(key.name).second) item.wrong("another key has this name");
    for (const std::string& hash : key.hashes) {
      if (!ring.by_hash_.emplace(hash, ring.keys_.size()).second)
        item.wrong("another key has the hash " + hash);
    }
    ring.keys_.push_back(std::move(key));
  }
  if (problems.any()) return fail(model::error_of(problems.first(), *root, where));
  return ring;
}

Result<KeyRing> KeyRing::read(const std::filesystem::path& path) {
  SERIN_TRY_ASSIGN(const std::string text, read_file(path, kLimits.bytes));
  return parse(text, path.string());
}

const ApiKey* KeyRing::find(std::string_view secret) const {
  // Where in a table a hash lies says nothing of the key that it was made of.
  const auto found = by_hash_.find(sha256_hex(secret));
  return found == by_hash_.end() ? nullptr : &keys_[found->second];
}

Status may_call(const ApiKey& key, std::string_view service, std::string_view method,
                std::string_view path, std::chrono::system_clock::time_point now) {
  if (key.expires && now >= *key.expires)
    return fail(
        {Code::kUnauthenticated, "the key " + key.name + " has expired", "expired_api_key"});
  const auto any = [](const std::vector<std::string>& patterns, auto fits_one) {
    return patterns.empty() || std::ranges::any_of(patterns, fits_one);
  };
  if (!any(key.services, [&](const std::string& one) { return fits_pattern(one, service); }))
    return fail({Code::kPermissionDenied,
                 "the key " + key.name + " may not call the service " + std::string(service),
                 "service_not_allowed"});
  if (!any(key.methods, [&](const std::string& one) { return method_fits(one, method, path); }))
    return fail(
        {Code::kPermissionDenied,
         "the key " + key.name + " may not call " + std::string(method) + " " + std::string(path),
         "method_not_allowed"});
  return {};
}

}  // namespace serin::gateway
