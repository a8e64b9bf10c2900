// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/door.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/bearer.h"
#include "base/log.h"

namespace serin::gateway {
namespace {

constexpr Duration kBetween = std::chrono::seconds(1);
// Refusals that are written down in a minute: somebody who knocks without end fills no disk.
constexpr int kAuditedPerMinute = 600;

Error no_keys_yet() {
  Error error{Code::kUnavailable, "the keys of this service could not be read yet",
              "keys_unavailable"};
  error.retry_after = std::chrono::seconds(1);
  return error;
}

// The request's proof: a bearer key, or the field that Anthropic's clients send.
std::string_view proof_of(const net::RequestHead& head) {
  const std::string_view bearer = bearer_key(head.headers.get("authorization"));
  return bearer.empty() ? head.headers.get("x-api-key") : bearer;
}

std::string wanted_proof(const AccessRules& rules) {
  if (rules.jwt_rules.empty()) return "a key: Authorization: Bearer KEY";
  if (rules.key_file.empty()) return "a token: Authorization: Bearer TOKEN";
  return "a key or a token: Authorization: Bearer KEY";
}

}  // namespace

Account::Account(UsageBook& book, UsageBook::Who who, const KeyLimits& limits, const Clock& clock)
    : book_(book), who_(std::move(who)) {
  meter_.set(limits);
  meter_.resume(book_.used(who_, day_of(clock.wall())), clock.wall());
}

void Account::set(const KeyLimits& limits) {
  const std::lock_guard lock(mutex_);
  meter_.set(limits);
}

Result<Meter::Share> Account::begin(double estimated_tokens, const Clock& clock) {
  const std::lock_guard lock(mutex_);
  return meter_.begin(estimated_tokens, clock.now(), clock.wall());
}

void Account::end(const Meter::Share& share, double tokens, const Clock& clock) {
  const std::lock_guard lock(mutex_);
  const auto wall = clock.wall();
  const KeyUsage used = meter_.end(share, tokens, clock.now(), wall);
  if (meter_.has_quota()) book_.add(who_, day_of(wall), used);
}

void Account::used_elsewhere(KeyUsage used, const Clock& clock) {
  const std::lock_guard lock(mutex_);
  meter_.resume(used, clock.wall());
}

Account::Left Account::left(const Clock& clock) const {
  const std::lock_guard lock(mutex_);
  const Instant now = clock.now();
  return {meter_.limits().requests_per_minute, meter_.limits().tokens_per_minute,
          meter_.requests_left(now), meter_.tokens_left(now)};
}

Door::Door(const Clock& clock, Sources::Fetch fetch, bool background,
           const std::filesystem::path& quotas)
    : clock_(clock),
      book_(quotas, day_of(clock.wall())),
      sources_(clock, std::move(fetch)),
      audit_room_(kAuditedPerMinute, std::chrono::minutes(1)) {
  if (!background) return;
  files_ = std::jthread([this](const std::stop_token& stop) { look_after_files(stop); });
  fetches_ = std::jthread([this](const std::stop_token& stop) { look_after_servers(stop); });
}

Door::~Door() { cancel_.cancel(); }

void Door::look_after_files(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    look_at_files();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kBetween, [] { return false; });
  }
}

void Door::look_after_servers(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    sources_.fetch_due(cancel_);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kBetween, [this] { return hurried_; });
    hurried_ = false;
  }
}

// A set of token keys is due before its time.
void Door::hurry() {
  const std::lock_guard lock(mutex_);
  hurried_ = true;
  wake_.notify_all();
}

void Door::use(const std::vector<AccessRules>& rules) {
  Sources::Wanted wanted;
  for (const AccessRules& one : rules) {
    if (!one.key_file.empty()) wanted.key_files.insert(one.key_file);
    for (const JwtRule& rule : one.jwt_rules) wanted.token_keys.insert(token_keys_of(rule));
  }
  sources_.want(wanted);
  look_at_files();
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(accounts_,
                  [&](const auto& one) { return !wanted.key_files.contains(one.first); });
  }
  hurry();
}

void Door::look_at_files() {
  const std::lock_guard one_at_a_time(reading_);
  for (const std::string& file : sources_.read_files()) take_keys(file);
  take_usage();
}

// Keys that stay keep what they have used.
void Door::take_keys(const std::string& file) {
  const auto ring = sources_.keys(file);
  if (ring == nullptr) return;
  const std::lock_guard lock(mutex_);
  auto& accounts = accounts_[file];
  std::map<std::string, std::shared_ptr<Account>> kept;
  for (const ApiKey& key : ring->keys()) {
    const auto found = accounts.find(key.name);
    if (found == accounts.end()) continue;
    found->second->set(key.limits);
    kept.insert(*found);
  }
  accounts = std::move(kept);
}

// What the gateway before this one still counts while its last requests end. An account that is
// made later begins with it.
void Door::take_usage() {
  const std::lock_guard lock(mutex_);
  for (const auto& [who, used] : book_.used_elsewhere(day_of(clock_.wall()))) {
    const auto file = accounts_.find(who.keys);
    if (file == accounts_.end()) continue;
    const auto account = file->second.find(who.key);
    if (account != file->second.end()) account->second->used_elsewhere(used, clock_);
  }
}

std::shared_ptr<Account> Door::account_of(const std::string& file, const ApiKey& key) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Account>& account = accounts_[file][key.name];
  if (account == nullptr)
    account = std::make_shared<Account>(book_, UsageBook::Who{file, key.name}, key.limits, clock_);
  return account;
}

Result<Pass> Door::enter_with_token(const AccessRules& rules, std::string_view token) {
  const std::string issuer = claimed_issuer(token);
  const auto rule = std::ranges::find(rules.jwt_rules, issuer, &JwtRule::issuer);
  if (rule == rules.jwt_rules.end())
    return fail({Code::kUnauthenticated, "the token is of an issuer that is not known here",
                 "invalid_token"});
  const TokenKeys from = token_keys_of(*rule);
  const auto keys = sources_.jwks(from);
  if (keys == nullptr) return fail(no_keys_yet());
  auto claims = verify_jwt(token, *rule, *keys, clock_.wall());
  if (!claims) {
    if (claims.error().reason == "unknown_token_key" && from.kind != TokenKeys::Kind::kFile) {
      sources_.hurry(from);
      hurry();
    }
    return fail(std::move(claims).error());
  }
  return Pass{{{}, claims->issuer, claims->subject}, Priority::kNormal, false, nullptr};
}

Result<Pass> Door::enter_with_key(const AccessRules& rules, std::string_view secret,
                                  const Call& call) {
  if (rules.key_file.empty())
    return fail(
        {Code::kUnauthenticated, "this service wants " + wanted_proof(rules), "invalid_token"});
  const auto ring = sources_.keys(rules.key_file);
  if (ring == nullptr) return fail(no_keys_yet());
  const ApiKey* key = ring->find(secret);
  if (key == nullptr)
    return fail({Code::kUnauthenticated, "the key is not known here", "invalid_api_key"});
  SERIN_TRY(may_call(*key, call.service, call.method, call.path, clock_.wall()));
  return Pass{{key->name, {}, {}}, key->priority, key->rates_any, account_of(rules.key_file, *key)};
}

Result<Pass> Door::enter(const AccessRules& rules, const net::RequestHead& head,
                         std::string_view service, std::string_view path) {
  if (rules.open()) return Pass{};
  const Call call{service, head.method, path};
  const std::string_view proof = proof_of(head);
  const auto found = [&]() -> Result<Pass> {
    if (proof.empty())
      return fail({Code::kUnauthenticated, "this service wants " + wanted_proof(rules),
                   rules.key_file.empty() ? "invalid_token" : "invalid_api_key"});
    const bool token = !rules.jwt_rules.empty() && std::ranges::count(proof, '.') == 2;
    return token ? enter_with_token(rules, proof) : enter_with_key(rules, proof, call);
  }();
  if (!found) audit(found.error(), call, head.peer);
  return found;
}

void Door::audit(const Error& refused, const Call& call, std::string_view peer) {
  const auto left_out = audit_room_.take(clock_.now());
  if (!left_out) return;
  log::warning("audit: refused", {{"code", refused.reason},
                                  {"why", refused.message},
                                  {"service", call.service},
                                  {"method", call.method},
                                  {"path", call.path},
                                  {"peer", peer},
                                  {"not_logged_before", *left_out}});
}

}  // namespace serin::gateway
