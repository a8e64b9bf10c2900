// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/informer.h"

#include <algorithm>
#include <utility>

#include "base/last_resort.h"
#include "base/log.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::chrono::minutes kListWithin{2};
// A watch that ends sooner and has said nothing is no watch: somebody between us ends it.
constexpr std::chrono::seconds kShortest{1};

InformerOptions trimmed(InformerOptions options) {
  options.which.trim = [then = std::move(options.which.trim)](json::object& object) {
    json::value* metadata = object.if_contains("metadata");
    if (metadata != nullptr && metadata->is_object()) metadata->as_object().erase("managedFields");
    if (then) then(object);
  };
  return options;
}

// What a watch cannot go on from: its version is forgotten, or what came cannot be read, and would
// come again.
bool begins_anew(Code code) {
  return code == Code::kOutOfRange || code == Code::kInvalidArgument || code == Code::kNotFound;
}

}  // namespace

Informer::Informer(Api& api, InformerOptions options, Handler handler, const Clock& clock)
    : api_(api),
      options_(trimmed(std::move(options))),
      handler_(std::move(handler)),
      clock_(clock) {}

Informer::~Informer() {
  cancel_.cancel();
  if (thread_.joinable()) thread_.join();
}

void Informer::start() {
  thread_ = std::jthread([this] { run(); });
}

void Informer::run() {
  int failed = 0;
  while (!cancel_.cancelled()) {
    const bool lists = version_.empty();
    const Status went = attempt("an informer", [&] { return lists ? list() : watch(); });
    if (heard_any_ || (went && !lists)) failed = 0;
    if (went || cancel_.cancelled()) continue;
    if (begins_anew(went.error().code)) version_.clear();
    if (failed++ == 0) log::warning(went.error().message);
    {
      const std::lock_guard lock(mutex_);
      problem_ = went.error().message;
    }
    const auto asked_to = went.error().retry_after.value_or(std::chrono::milliseconds(0));
    pause(std::max(wait_after(failed, options_.backoff, random_share()), asked_to), cancel_);
  }
}

Status Informer::list() {
  heard_any_ = false;
  SERIN_TRY_ASSIGN(List list, api_.list(options_.target, options_.which,
                                        {.timeout = kListWithin, .cancel = cancel_}));
  tell(cache_.replace(std::move(list.items)));
  version_ = std::move(list.version);
  hear();
  {
    const std::lock_guard lock(mutex_);
    synced_ = true;
  }
  changed_.notify_all();
  return {};
}

Status Informer::watch() {
  heard_any_ = false;
  const Instant began = clock_.now();
  const auto lasts =
      std::chrono::duration_cast<std::chrono::seconds>(options_.watch_lasts * (1 + random_share()));
  Watching how{.version = version_, .lasts = lasts, .cancel = cancel_};
  if (!std::exchange(hollow_, false)) how.begun = [this] { hear(); };
  SERIN_TRY(api_.watch(options_.target, options_.which, how,
                       [this](WatchEvent&& event) { return take(std::move(event)); }));
  hollow_ = !heard_any_ && clock_.now() - began < kShortest;
  if (!hollow_) return {};
  return fail(Code::kUnavailable,
              "watching " + to_string(options_.target) + ": it ended at once and said nothing");
}

Status Informer::take(WatchEvent&& event) {
  std::string version(version_of(event.object));
  if (event.kind == WatchEvent::Kind::kPut) {
    tell(cache_.put(std::move(event.object)));
  } else if (event.kind == WatchEvent::Kind::kGone) {
    tell(cache_.erase(std::move(event.object)));
  }
  version_ = std::move(version);
  heard_any_ = true;
  hear();
  return {};
}

void Informer::tell(const std::vector<Change>& changes) {
  for (const Change& change : changes)
    survives("the handler of an informer", [&] { handler_(change); });
}

void Informer::hear() {
  const std::lock_guard lock(mutex_);
  heard_ = clock_.now();
  problem_.clear();
}

bool Informer::wait_synced(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most, [this] { return synced_.load(); });
}

std::optional<Instant> Informer::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

std::string Informer::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

}  // namespace serin::platform::kubernetes
