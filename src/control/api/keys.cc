// SPDX-License-Identifier: Apache-2.0
#include "control/api/keys.h"

#include <algorithm>
#include <set>

#include "base/bearer.h"
#include "base/check.h"
#include "base/day.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/log.h"
#include "base/yaml.h"
#include "control/schema/schema.h"

namespace serin::control::api {
namespace {

constexpr YamlLimits kLimits{.bytes = std::size_t{1} << 20, .depth = 8, .nodes = 50'000};
constexpr Duration kBetweenLooks = std::chrono::seconds(1);

constexpr std::string_view kSchema = R"json({
  "type": "object",
  "required": ["keys"],
  "additionalProperties": false,
  "properties": {
    "keys": {
      "type": "array",
      "maxItems": 1000,
      "items": {
        "type": "object",
        "required": ["name", "hashes", "scopes"],
        "additionalProperties": false,
        "properties": {
          "name": {"type": "string", "minLength": 1, "maxLength": 100},
          "hashes": {"type": "array", "minItems": 1, "maxItems": 8, "items": {"type": "string"}},
          "scopes": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string", "enum": ["read", "write"]}},
          "expires": {"type": "string"}
        }
      }
    }
  }
})json";

const Schema& schema() {
  static const Schema kMade = [] {
    auto made = Schema::create(*parse_json(kSchema));
    SERIN_CHECK(made.has_value());
    return std::move(*made);
  }();
  return kMade;
}

// What the schema cannot say.
std::vector<Finding> contradictions(const YamlNode& keys) {
  std::vector<Finding> findings;
  std::set<std::string> names, hashes;
  for (std::size_t i = 0; i < keys.items.size(); ++i) {
    const YamlNode& key = keys.items[i];
    const std::string path = "keys[" + std::to_string(i) + "]";
    if (!names.insert(key.find("name")->scalar).second)
      findings.push_back({key.mark, path, "another key has this name"});
    for (const YamlNode& hash : key.find("hashes")->items) {
      if (!is_key_hash(hash.scalar))
        findings.push_back({hash.mark, path + ".hashes",
                            "must be SHA-256 in 64 lower-case hex digits; `serin key new` makes a "
                            "key and its hash"});
      if (!hashes.insert(hash.scalar).second)
        findings.push_back({hash.mark, path + ".hashes", "this hash is there twice"});
    }
    const YamlNode* expires = key.find("expires");
    if (expires != nullptr && !parse_day(expires->scalar))
      findings.push_back({expires->mark, path + ".expires", "must be a day, as 2027-01-31"});
  }
  return findings;
}

bool has_scope(const YamlNode& key, std::string_view scope) {
  return std::ranges::any_of(key.find("scopes")->items,
                             [&](const YamlNode& one) { return one.scalar == scope; });
}

}  // namespace

Result<KeyRing> KeyRing::parse(std::string_view text, std::string_view where) {
  const auto root = parse_yaml(text, kLimits);
  if (!root) return invalid(std::string(where) + ":" + root.error().message);
  auto findings = schema().validate(*root);
  if (findings.empty()) findings = contradictions(*root->find("keys"));
  if (!findings.empty()) return invalid(findings_text(findings, where));
  KeyRing ring;
  for (const YamlNode& item : root->find("keys")->items) {
    Key key{.name = item.find("name")->scalar,
            .read = has_scope(item, "read"),
            .write = has_scope(item, "write"),
            .expires = std::nullopt};
    if (const YamlNode* expires = item.find("expires")) key.expires = parse_day(expires->scalar);
    for (const YamlNode& hash : item.find("hashes")->items) ring.by_hash_.emplace(hash.scalar, key);
  }
  return ring;
}

const Key* KeyRing::find(std::string_view secret) const {
  // Where in a map a hash lies says nothing of the key that it was made of.
  const auto found = by_hash_.find(sha256_hex(secret));
  return found == by_hash_.end() ? nullptr : &found->second;
}

Result<KeyFile> KeyFile::open(std::filesystem::path file, const Clock& clock) {
  KeyFile made(std::move(file), clock);
  SERIN_TRY(made.read());
  return made;
}

Status KeyFile::read() {
  stamp_ = stamp_of(file_);
  looked_ = clock_->now();
  SERIN_TRY_ASSIGN(const std::string text, read_file(file_, kLimits.bytes));
  SERIN_TRY_ASSIGN(ring_, KeyRing::parse(text, file_.string()));
  return {};
}

// A file with a mistake changes nothing.
void KeyFile::refresh() {
  if (clock_->now() < looked_ + kBetweenLooks) return;
  looked_ = clock_->now();
  if (stamp_of(file_) == stamp_) return;
  if (const Status done = read(); !done) {
    log::error("the file of control keys cannot be used", {{"error", done.error().message}});
  } else {
    log::info("control keys were read", {{"file", file_.string()}, {"hashes", ring_.size()}});
  }
}

Result<std::string> KeyFile::admit(std::string_view authorization, Scope scope) {
  refresh();
  const std::string_view secret = bearer_key(authorization);
  const Key* key = secret.empty() ? nullptr : ring_.find(secret);
  if (key == nullptr)
    return fail(
        {Code::kUnauthenticated,
         secret.empty() ? "a key is needed: Authorization: Bearer KEY" : "this key is not known",
         "invalid_api_key"});
  if (key->expires && clock_->wall() >= *key->expires)
    return fail(
        {Code::kUnauthenticated, "the key " + key->name + " has expired", "expired_api_key"});
  const bool may = scope == Scope::kRead ? key->read : key->write;
  if (!may)
    return fail({Code::kPermissionDenied,
                 "the key " + key->name + " may not " +
                     (scope == Scope::kRead ? "read" : "change anything") +
                     ": its scopes in the file of control keys do not say so",
                 "scope_missing"});
  return key->name;
}

}  // namespace serin::control::api
