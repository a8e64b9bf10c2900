// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/lease.h"

#include <algorithm>
#include <utility>

#include "base/last_resort.h"
#include "base/log.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/time.h"

namespace serin::platform::kubernetes {
namespace {

using std::chrono::milliseconds;

const Resource kLeases{"coordination.k8s.io", "v1", "leases"};

std::int64_t integer_at(const json::value& value, std::string_view pointer) {
  const json::value* found = value_at(value, pointer);
  const std::int64_t* number = found == nullptr ? nullptr : found->if_int64();
  return number == nullptr ? 0 : *number;
}

}  // namespace

LeaseStep next_step(const json::value* lease, std::string_view identity, Duration unchanged,
                    std::chrono::seconds lasts) {
  if (lease == nullptr) return LeaseStep::kCreate;
  const std::string_view holder = text_at(*lease, "/spec/holderIdentity");
  if (holder == identity) return LeaseStep::kRenew;
  if (holder.empty()) return LeaseStep::kTake;
  const std::int64_t said = integer_at(*lease, "/spec/leaseDurationSeconds");
  const std::chrono::seconds until = said > 0 ? std::chrono::seconds(said) : lasts;
  return unchanged >= until ? LeaseStep::kTake : LeaseStep::kWait;
}

Election::Election(Api& api, LeaseOptions options, const Clock& clock)
    : api_(api), options_(std::move(options)), clock_(clock), seen_at_(clock.now()) {}

Election::~Election() {
  cancel_.cancel();
  if (thread_.joinable()) thread_.join();
}

void Election::start(std::function<void(bool)> changed) {
  changed_ = std::move(changed);
  thread_ = std::jthread([this] { run(); });
}

void Election::run() {
  bool led = false;
  while (!cancel_.cancelled()) {
    const Status went = attempt("an election", [this] { return step(); });
    if (!went && led) log::warning(went.error().message, {{"lease", options_.name}});
    if (leading() != led) {
      led = !led;
      log::info(led ? "leads" : "leads no more",
                {{"lease", options_.name}, {"identity", options_.identity}});
      survives("the end or the beginning of leading", [&] { changed_(led); });
    }
    // Those that lost together come apart.
    pause(led ? std::min(options_.every, left())
              : wait_after(1, {2 * options_.every, 2 * options_.every}, random_share()),
          cancel_);
  }
  if (!led) return;
  survives("the end of leading", [&] { changed_(false); });
  if (const Status gone = release(); !gone)
    log::warning(gone.error().message, {{"lease", options_.name}});
}

// A try must not outlast the time in which a second one could still save the lease, and none may
// outlast the time that is led: its end is told then, and not when a server at last says no.
Call Election::call() const {
  milliseconds within = options_.renew_within / 4;
  if (leading()) within = std::min(within, left());
  return {.timeout = std::max(within, milliseconds(1))};
}

Target Election::target(bool one) const {
  return {kLeases, options_.ns, one ? options_.name : std::string()};
}

Status Election::step() {
  auto lease = api_.get(target(true), call());
  if (!lease && lease.error().code != Code::kNotFound) return fail(std::move(lease).error());
  if (lease) {
    const json::value* spec = value_at(*lease, "/spec");
    std::string now = spec == nullptr ? "" : json::serialize(*spec);
    if (now != seen_) seen_at_ = clock_.now();
    seen_ = std::move(now);
  }
  switch (next_step(lease ? &*lease : nullptr, options_.identity, clock_.now() - seen_at_,
                    options_.lasts)) {
    case LeaseStep::kCreate:
      return write(json::object{{"apiVersion", kLeases.api_version()},
                                {"kind", "Lease"},
                                {"metadata", {{"name", options_.name}, {"namespace", options_.ns}}},
                                {"spec", json::object()}},
                   true, true);
    case LeaseStep::kTake:
      return write(*std::move(lease), false, true);
    case LeaseStep::kRenew:
      return write(*std::move(lease), false, false);
    case LeaseStep::kWait: {
      const std::lock_guard lock(mutex_);
      renewed_.reset();  // another holds it
      return {};
    }
  }
  return {};
}

// `fresh`: nobody has made it yet. `taken`: it was not ours.
Status Election::write(json::value lease, bool fresh, bool taken) {
  const Instant began = clock_.now();
  const std::string now = micro_time(clock_.wall());
  json::value& held = lease.as_object()["spec"];
  if (!held.is_object()) held = json::object();
  json::object& spec = held.as_object();
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = options_.lasts.count();
  spec["renewTime"] = now;
  if (taken) spec["acquireTime"] = now;
  if (taken)
    spec["leaseTransitions"] = integer_at(lease, "/spec/leaseTransitions") + (fresh ? 0 : 1);
  if (taken) {
    const std::lock_guard lock(mutex_);
    renewed_.reset();
  }
  SERIN_TRY(fresh ? api_.create(target(false), lease, call())
                  : api_.update(target(true), lease, call()));
  const std::lock_guard lock(mutex_);
  renewed_ = began;
  return {};
}

bool Election::leading() const { return left() > milliseconds(0); }

milliseconds Election::left() const {
  const std::lock_guard lock(mutex_);
  if (!renewed_) return milliseconds(0);
  return std::chrono::ceil<milliseconds>(options_.renew_within - (clock_.now() - *renewed_));
}

Status Election::release() {
  {
    const std::lock_guard lock(mutex_);
    renewed_.reset();
  }
  SERIN_TRY_ASSIGN(json::value lease, api_.get(target(true), call()));
  if (text_at(lease, "/spec/holderIdentity") != options_.identity) return {};
  json::object& spec = lease.as_object()["spec"].as_object();
  spec["holderIdentity"] = "";
  spec["leaseDurationSeconds"] = 1;
  SERIN_TRY(api_.update(target(true), lease, call()));
  return {};
}

}  // namespace serin::platform::kubernetes
