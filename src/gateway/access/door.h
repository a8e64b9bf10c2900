// SPDX-License-Identifier: Apache-2.0
// Who may enter a service: finds who a request is from (an API key or a token), whether that may
// make it, and what it may still use. What is refused is written to the log as an audit entry.
//
// Safe from any thread. One thread of its own reads files and one fetches keys of tokens, so that
// nobody, and no file, waits for an issuer that is slow.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log_room.h"
#include "gateway/access/access_rules.h"
#include "gateway/access/jwt.h"
#include "gateway/access/keys.h"
#include "gateway/access/meter.h"
#include "gateway/access/sources.h"
#include "gateway/access/usage_book.h"
#include "gateway/access/who.h"
#include "net/http/message.h"

namespace serin::gateway {

// A key's meter, shared by its requests on all threads.
class Account {
 public:
  // `book` outlives it.
  Account(UsageBook& book, UsageBook::Who who, const KeyLimits& limits, const Clock& clock);
  void set(const KeyLimits& limits);
  Result<Meter::Share> begin(double estimated_tokens, const Clock& clock);
  void end(const Meter::Share& share, double tokens, const Clock& clock);
  // Another process has written that the key used so much today.
  void used_elsewhere(KeyUsage used, const Clock& clock);

  struct Left {
    std::int64_t requests = 0, tokens = 0;  // limits of a minute; 0: not bounded
    double requests_left = 0, tokens_left = 0;
  };
  Left left(const Clock& clock) const;

 private:
  UsageBook& book_;
  const UsageBook::Who who_;
  mutable std::mutex mutex_;
  Meter meter_;
};

// What a request got at the door.
struct Pass {
  Identity identity;
  Priority priority = Priority::kNormal;
  bool rates_any = false;            // feedback on requests of others, too
  std::shared_ptr<Account> account;  // null: nothing is counted
};

class Door {
 public:
  // `fetch` as in Sources. With `background`, threads look every second; else refresh() does.
  // `quotas`: a file where what keys used today outlives the process; empty: none.
  Door(const Clock& clock, Sources::Fetch fetch, bool background,
       const std::filesystem::path& quotas = {});
  ~Door();

  // These services' rules are in use from now on; reads their files once before it returns, and
  // waits for no server.
  void use(const std::vector<AccessRules>& rules);
  void refresh() {
    look_at_files();
    sources_.fetch_due(cancel_);
  }

  // kUnauthenticated: "invalid_api_key", "expired_api_key", "invalid_token", "expired_token";
  // kPermissionDenied as may_call(); kUnavailable "keys_unavailable" where keys could not be read
  // yet: nobody is let in by that.
  // `path`: what the service is asked for, which scopes are about.
  Result<Pass> enter(const AccessRules& rules, const net::RequestHead& head,
                     std::string_view service, std::string_view path);

 private:
  Result<Pass> enter_with_token(const AccessRules& rules, std::string_view token);
  struct Call {
    std::string_view service, method, path;
  };
  Result<Pass> enter_with_key(const AccessRules& rules, std::string_view secret, const Call& call);
  std::shared_ptr<Account> account_of(const std::string& file, const ApiKey& key);
  void audit(const Error& refused, const Call& call, std::string_view peer);
  void look_at_files();
  void take_keys(const std::string& file);
  void take_usage();
  void hurry();
  void look_after_files(const std::stop_token& stop);
  void look_after_servers(const std::stop_token& stop);

  const Clock& clock_;
  UsageBook book_;
  Sources sources_;
  CancelToken cancel_;  // of the fetch under way, when the door goes
  std::mutex reading_;  // one look at the files at a time

  std::mutex mutex_;
  std::map<std::string, std::map<std::string, std::shared_ptr<Account>>> accounts_;  // by file, key
  LogRoom audit_room_;

  std::condition_variable_any wake_;
  bool hurried_ = false;
  // Last: they use everything above.
  std::jthread files_, fetches_;
};

}  // namespace serin::gateway
