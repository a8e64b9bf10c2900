// SPDX-License-Identifier: Apache-2.0
// Another version, another service or a fixed answer in place of an error.
#include <utility>
#include <variant>

#include "gateway/forward.h"

namespace serin::gateway {

// False: there is none, or the client has some of an answer.
bool Forward::fall_back(const TryEnd& tried) {
  if (started_ || pinned_ || grpc_) return false;
  while (true) {
    const Split& split = service_->split;
    auto next =
        next_fallback(service_->resilience.fallback, visited_, {split.stable, split.candidate});
    // What the first service says at last holds also where another one was asked in between.
    if (!next && home_->resilience.fallback.answer) next = *home_->resilience.fallback.answer;
    if (!next) return false;
    if (const auto* version = std::get_if<ToVersion>(&*next)) {
      if (go_to_version(version->label, tried)) return true;
    } else if (const auto* service = std::get_if<ToService>(&*next)) {
      if (go_to_service(service->name, tried)) return true;
    } else {
      answer_fixed(std::get<FixedAnswer>(*next), tried);
      return true;
    }
  }
}

// The present try is over. For the version first assigned that is a failure, whoever answers in the
// end.
void Forward::leave(const TryEnd& tried, std::string_view to) {
  home_->state->fell_back(to);
  failed_try_ = failed_try_ || outcome_of(tried) == rollout::Outcome::kFailed;
  note_try(tried);
  drop_try();
  tried_.clear();
}

// False: it is not there. In a shadow rollout the candidate's answers are nobody's.
bool Forward::go_to_version(const std::string& label, const TryEnd& tried) {
  visited_.versions.push_back(label);
  const VersionEntry* found = service_->find(label);
  if (found == nullptr || found->replicas.empty() || service_->split.shadow) return false;
  leave(tried, "version");
  version_ = found;
  start_try();
  return true;
}

// False: it is not there, or has no room either.
bool Forward::go_to_service(const std::string& name, const TryEnd& tried) {
  visited_.services.push_back(name);
  const auto found = table_->services.find(name);
  if (found == table_->services.end()) return false;
  const ServiceEntry& service = found->second;
  const Instant now = core_.clock.now();
  auto entry = service.state->guard.begin({.client = pass_.identity.client(),
                                           .priority = priority(),
                                           .first_token_within = deadline_ - now,
                                           .prompt_bytes = bytes_in_},
                                          now);
  if (!entry) return false;
  leave(tried, "service");
  settle(tried, now);
  entry_ = std::move(*entry);
  service_ = &service;
  version_ = service.find(service.split.stable);
  visited_.versions = {version_->label};
  // A worker answers to its own name.
  route_.target = target_for(route_.target, name);
  if (const auto fields = scan_body(*body_); fields && !fields->model.empty())
    body_ = std::make_shared<const std::string>(with_model(*body_, *fields, name));
  start_try();
  return true;
}

void Forward::answer_fixed(const FixedAnswer& answer, const TryEnd& tried) {
  leave(tried, "answer");
  status_ = static_cast<std::uint16_t>(answer.status);
  exchange_->respond({status_,
                      {{"content-type", answer.content_type},
                       {"x-request-id", request_id_},
                       {"serin-fallback", "answer"}},
                      answer.body});
  ended(tried);
}

}  // namespace serin::gateway
