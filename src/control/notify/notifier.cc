// SPDX-License-Identifier: Apache-2.0
#include "control/notify/notifier.h"

#include <algorithm>
#include <utility>

#include "base/backoff.h"
#include "base/last_resort.h"
#include "base/log.h"
#include "control/notify/tell.h"

namespace serin::control::notify {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenLooks{250};
constexpr milliseconds kLongestWait{60'000};    // between two tries
constexpr milliseconds kLongestAsked{600'000};  // the same where the target says for how long
constexpr Backoff kTries{.first = milliseconds(1000), .most = kLongestWait};
constexpr std::size_t kPage = 100;  // events

}  // namespace

Notifier::Notifier(Store& store, const Clock& clock, Metrics& metrics, Tell tell)
    : store_(store), clock_(clock), metrics_(metrics), tell_(std::move(tell)) {}

Notifier::~Notifier() {
  cancel_.cancel();
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Notifier::start() {
  for (unsigned i = 0; i < kThreads; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
}

void Notifier::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::optional<Due> due;
    survives("looking whom to tell of events", [&] { due = claim(); });
    if (due) {
      Status told = fail(Code::kInternal, "it could not be told");
      survives("telling of an event", [&] { told = tell_(due->target, due->event, cancel_); });
      survives("noting who was told", [&] { settle(*due, told); });
      continue;
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kBetweenLooks, [] { return false; });
  }
}

void Notifier::round() {
  while (const auto due = claim()) settle(*due, tell_(due->target, due->event, cancel_));
}

// What changed since the last look: events, and with them who is to be told.
void Notifier::look() {
  const auto newest = store_.events({.service = {}, .after = 0, .most = 1});
  if (!newest || newest->empty() || newest->back().id == newest_) return;
  const auto subscriptions = store_.subscriptions();
  if (!subscriptions) return log::warning(subscriptions.error().message);
  std::map<Key, Lane> lanes;
  for (const Subscription& subscription : *subscriptions) {
    const Key key{subscription.service, subscription.target};
    auto target = read_target(subscription.spec);
    if (!target) {
      log::warning(target.error().message, {{"service", key.first}, {"target", key.second}});
      continue;
    }
    Lane lane{.subscription = subscription, .target = std::move(*target)};
    if (const auto before = lanes_.find(key); before != lanes_.end()) {
      lane.busy = before->second.busy;
      lane.failed = before->second.failed;
      lane.due = before->second.due;
    }
    lanes.emplace(key, std::move(lane));
  }
  keep(std::move(lanes));
  newest_ = newest->back().id;
}

// These are to be told from now on, and counted; no others.
void Notifier::keep(std::map<Key, Lane> lanes) {
  for (const auto& [key, lane] : lanes_)
    if (!lanes.contains(key)) metrics_.forget_target(key.first, key.second);
  for (const auto& [key, lane] : lanes)
    if (!lanes_.contains(key)) metrics_.introduce_target(key.first, key.second);
  lanes_ = std::move(lanes);
}

std::optional<Notifier::Due> Notifier::claim() {
  const std::lock_guard lock(mutex_);
  look();
  const Instant now = clock_.now();
  auto at = lanes_.upper_bound(last_);
  for (std::size_t i = 0; i < lanes_.size(); ++i, ++at) {
    if (at == lanes_.end()) at = lanes_.begin();
    Lane& lane = at->second;
    if (lane.busy || lane.due > now || lane.looked == newest_) continue;
    auto event = next_for(lane);
    if (!event) {
      lane.looked = newest_;
      continue;
    }
    lane.busy = true;
    last_ = at->first;
    return Due{at->first, lane.target, std::move(*event)};
  }
  std::erase_if(lanes_, [this](const auto& one) {
    const Subscription& of = one.second.subscription;
    const bool over = of.until > 0 && of.after >= of.until;
    if (over) metrics_.forget_target(of.service, of.target);
    return over;
  });
  return std::nullopt;
}

// The first event after those that it was told which it asks for. What it does not ask for is
// passed over for good.
std::optional<Event> Notifier::next_for(Lane& lane) {
  if (lane.subscription.lost > 0) {
    const auto lost = static_cast<std::uint64_t>(lane.subscription.lost);
    Event event = failure_of(lane, lane.target.name + ": " + std::to_string(lost) +
                                       " events were forgotten before it was told");
    if (!advance(lane, lane.subscription.after, std::move(event))) return std::nullopt;
    metrics_.told(lane.subscription.service, lane.target.name, Telling::kLost, lost);
  }
  while (true) {
    const auto page = store_.pending(lane.subscription, kPage);
    if (!page) {
      log::warning(page.error().message);
      return std::nullopt;
    }
    std::int64_t passed = lane.subscription.after;
    for (const Event& event : *page) {
      if (wants(lane.target, event.reason)) return event;
      passed = event.id;
    }
    const bool last = page->size() < kPage;
    if (last && lane.subscription.until > 0) passed = lane.subscription.until;
    if (passed != lane.subscription.after && !advance(lane, passed)) return std::nullopt;
    if (last) return std::nullopt;
  }
}

void Notifier::settle(const Due& due, const Status& told) {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(due.key);
  if (found == lanes_.end()) return;
  Lane& lane = found->second;
  lane.busy = false;
  if (!told && cancel_.cancelled()) return;
  metrics_.told(due.key.first, due.key.second, told ? Telling::kDelivered : Telling::kFailed);
  if (told) {
    lane.failed = 0;
    lane.due = {};
    // What could not be noted is told again.
    if (!advance(lane, due.event.id)) lane.due = clock_.now() + kLongestWait;
    return;
  }
  const Error& error = told.error();
  if (error.reason == kGone || clock_.wall() >= due.event.time + lane.target.retry_for)
    return give_up(lane, due.event, error.message);
  if (lane.failed++ == 0)
    log::warning("a notification has to be repeated", {{"service", due.key.first},
                                                       {"target", due.key.second},
                                                       {"reason", due.event.reason},
                                                       {"error", error.message}});
  const milliseconds asked = std::min(error.retry_after.value_or(milliseconds(0)), kLongestAsked);
  lane.due = clock_.now() + std::max(wait_after(lane.failed, kTries, 1), asked);
}

void Notifier::give_up(Lane& lane, const Event& event, const std::string& why) {
  lane.failed = 0;
  lane.due = {};
  Event failure =
      failure_of(lane, lane.target.name + " was not told of " + event.reason + ": " + why);
  failure.version = event.version;
  log::warning(failure.message, {{"service", event.service}, {"reason", failure.reason}});
  if (!advance(lane, event.id, std::move(failure))) {
    lane.due = clock_.now() + kLongestWait;
    return;
  }
  metrics_.told(event.service, lane.target.name, Telling::kGivenUp);
}

Event Notifier::failure_of(const Lane& lane, std::string message) const {
  return {.time = std::chrono::time_point_cast<milliseconds>(clock_.wall()),
          .service = lane.subscription.service,
          .version = {},
          .reason = std::string(reason_of_failure(lane.target)),
          .message = std::move(message),
          .warning = true};
}

Status Notifier::advance(Lane& lane, std::int64_t to, std::optional<Event> event) {
  Subscription next = lane.subscription;
  next.after = to;
  const std::span<const Event> events =
      event ? std::span<const Event>(&*event, 1) : std::span<const Event>();
  Status done = store_.advance(next, events);
  if (!done) {
    log::warning(done.error().message, {{"service", next.service}, {"target", next.target}});
    return done;
  }
  // What is gone is counted no more.
  if (next.until == 0) metrics_.happened(events);
  next.lost = 0;
  lane.subscription = std::move(next);
  return {};
}

}  // namespace serin::control::notify
