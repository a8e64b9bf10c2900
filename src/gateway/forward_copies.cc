// SPDX-License-Identifier: Apache-2.0
// Copies of a request (copy.h): which there are, and what becomes of how they end.
#include <utility>

#include "gateway/forward.h"
#include "gateway/hash.h"

namespace serin::gateway {
namespace {

using rollout::NotCompared;

// What request ids are hashed with, so that the draw is one of its own.
constexpr std::uint64_t kMirrorDraw = 0x6d6972726f72;

std::string_view word_of(const TryEnd& tried) {
  if (tried.end == End::kClientGone) return "client_gone";
  switch (outcome_of(tried)) {
    case rollout::Outcome::kAnswered:
      return "answered";
    case rollout::Outcome::kCensored:
      return "refused";
    case rollout::Outcome::kFailed:
      break;
  }
  return "failed";
}

std::optional<NotCompared> why_not_compared(const TryEnd& tried) {
  if (tried.end == End::kClientGone) return NotCompared::kClientGone;
  if (tried.end != End::kAnswer || tried.status >= 400) return NotCompared::kFailed;
  return std::nullopt;
}

}  // namespace

// The request's first try begins, and after it its copies.
void Forward::set_off() {
  const bool mirrored = is_mirrored();
  auto order = shadow();
  // Where the request falls back these become another service's.
  const auto body = body_;
  const std::string target = mirrored ? route_.target : std::string();
  start_try();
  if (order) shadow_ = lane_.copies().send(*std::move(order));
  if (mirrored) mirror(body, target);
}

// nullopt: nothing in the request speaks against it.
std::optional<NotCompared> Forward::why_not_copied() const {
  if (streamed_) return NotCompared::kStreamedBody;
  if (!repeatable(exchange_->head(), route_.target)) return NotCompared::kNotRepeatable;
  return std::nullopt;
}

// In a shadow rollout the stable version answers every request. Of one that was drawn for the
// candidate a copy goes there, whose end is evidence in place of the request's: each counts once,
// for the version that it was drawn for.
std::optional<CopyOrder> Forward::shadow() {
  const Split& split = home_->split;
  if (!split.shadow || split.candidate.empty() || pinned_ || exchange_->head().method != "POST")
    return std::nullopt;
  EvidenceRecord evidence = assigned_to(*home_->find(split.candidate));
  const bool drawn =
      std::exchange(assignment_.arm, rollout::Arm::kStable) == rollout::Arm::kCandidate;
  std::optional<NotCompared> why_not = why_not_copied();
  auto room = why_not
                  ? std::nullopt
                  : CopyRoom::take(core_, home_->state, body_->size() + 2 * AnswerContent::kMost);
  if (!why_not && !room) why_not = NotCompared::kLimit;
  // Whether it can be copied does not depend on what it was drawn for. So what cannot counts for
  // neither version, and what counts is still drawn by lot.
  if (drawn || why_not) weight_ = 0;
  if (!drawn) return std::nullopt;
  const auto tell = [state = home_->state, version = split.candidate](std::string_view outcome) {
    state->shadowed(version, outcome);
  };
  if (why_not) {
    not_copied_ = why_not;
    tell(name_of(*why_not));
    return std::nullopt;
  }
  answers_ = std::make_shared<AnswerPair>();
  const VersionEntry* candidate = home_->find(split.candidate);
  telemetry::Span span = span_of_copy(*home_, *candidate, "shadow");
  CopyOrder order{
      .table = home_table_,
      .service = home_,
      .version = candidate,
      .room = *std::move(room),
      .request = request_with(home_->resilience, deadline_ - core_.clock.now(), span.context()),
      .began = began_,
      .deadline = deadline_,
      .grpc = grpc_,
      .prefix = prefix_,
      .answers = answers_,
      .span = std::move(span),
      .judged = true,
      .on_end = {}};
  order.request.shared_body = body_;
  order.request.headers.set("serin-copy", "shadow");
  order.on_end = [tell, state = home_->state, answers = answers_, evidence](const Ended& ended) {
    EvidenceRecord made = evidence;
    describe(ended, made);
    made.compared = answers->ended(AnswerPair::Side::kCandidate, why_not_compared(ended.tried));
    if (made.compared) state->compared(made.version, *made.compared);
    state->evidence.add(std::move(made));
    tell(word_of(ended.tried));
  };
  return order;
}

// What the user got beside what the candidate said, where both have ended.
std::optional<rollout::Compared> Forward::comparison(const TryEnd& tried) {
  if (not_copied_) return *not_copied_;
  if (answers_ == nullptr) return std::nullopt;
  auto why_not = why_not_compared(tried);
  if (!is_assigned_version()) why_not = NotCompared::kFailed;
  return answers_->ended(AnswerPair::Side::kStable, why_not);
}

bool Forward::is_mirrored() const {
  const Resilience& resilience = home_->resilience;
  if (resilience.mirror_service.empty() || exchange_->head().method != "POST") return false;
  const std::uint64_t draw = hash_bytes(request_id_, kMirrorDraw);
  return unit_interval(draw) * 100 < resilience.mirror_percent;
}

void Forward::mirror(std::shared_ptr<const std::string> body, const std::string& target) {
  const std::string& name = home_->resilience.mirror_service;
  const auto tell = [state = home_->state, name](std::string_view outcome) {
    state->mirrored(name, outcome);
  };
  if (pinned_) return tell("pinned");
  if (const auto why = why_not_copied()) return tell(name_of(*why));
  const auto found = home_table_->services.find(name);
  if (found == home_table_->services.end()) return tell("no_service");
  const ServiceEntry& service = found->second;
  const VersionEntry* version = service.find(service.split.stable);
  if (version == nullptr || version->replicas.empty()) return tell("no_worker");
  auto room = CopyRoom::take(core_, home_->state, body->size());
  if (!room) return tell("limit");
  // A worker answers to its own name.
  if (grpc_) {
    body = std::make_shared<const std::string>(with_grpc_name(*body, name));
  } else if (const auto fields = scan_body(*body); fields && !fields->model.empty()) {
    body = std::make_shared<const std::string>(with_model(*body, *fields, name));
  }
  const Instant now = core_.clock.now();
  telemetry::Span span = span_of_copy(service, *version, "mirror");
  net::ClientRequest request = request_with(
      service.resilience, std::chrono::milliseconds(service.resilience.timeout), span.context());
  request.target = target_for(target, name);
  request.shared_body = std::move(body);
  request.headers.set("serin-copy", "mirror");
  // What let the client in here is nothing to the other service.
  request.headers.remove("authorization");
  request.headers.remove("x-api-key");
  lane_.copies().send({.table = home_table_,
                       .service = &service,
                       .version = version,
                       .room = *std::move(room),
                       .request = std::move(request),
                       .began = now,
                       .deadline = now + service.resilience.timeout,
                       .grpc = grpc_,
                       .prefix = prefix_,
                       .answers = nullptr,
                       .span = std::move(span),
                       .on_end = [tell](const Ended& ended) { tell(word_of(ended.tried)); }});
}

}  // namespace serin::gateway
