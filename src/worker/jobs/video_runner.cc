// SPDX-License-Identifier: Apache-2.0
#include "worker/jobs/video_runner.h"

#include <algorithm>

#include "base/last_resort.h"
#include "base/log.h"

namespace serin::worker {
namespace {

constexpr std::chrono::milliseconds kLook{500};  // for what expired, and an engine with room again

// A refusal that says nothing of the job.
bool may_pass(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
}

int percent(const engine::Progress& progress) {
  if (progress.steps <= 0) return 0;
  // 100 is for a clip that can be fetched.
  return static_cast<int>(std::clamp<std::int64_t>(progress.step * 100 / progress.steps, 0, 99));
}

void note(const Status& status, const std::string& id) {
  if (!status)
    log::warning("a video job is not kept", {{"id", id}, {"why", status.error().message}});
}

}  // namespace

VideoRunner::VideoRunner(const model::Package& package, const engine::RequestParser& parser,
                         engine::Engine& engine, VideoStore& store)
    : package_(package),
      output_(*video_output(package.manifest)),
      parser_(parser),
      engine_(engine),
      store_(store),
      at_once_(static_cast<std::size_t>(package.manifest.batching.sizes.back())),
      thread_([this] { work(); }) {}

VideoRunner::~VideoRunner() {
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->closing = true;
  }
  inbox_->changed.notify_all();
  thread_.join();
  const std::lock_guard lock(mutex_);
  for (const auto& [id, token] : running_) token.cancel();
}

void VideoRunner::wake() {
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->woken = true;
  }
  inbox_->changed.notify_all();
}

void VideoRunner::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = running_.find(id); found != running_.end()) found->second.cancel();
}

void VideoRunner::work() {
  while (true) {
    std::vector<std::pair<std::string, engine::Event>> events;
    bool closing = false;
    {
      std::unique_lock lock(inbox_->mutex);
      if (!inbox_->closing && inbox_->events.empty() && !inbox_->woken) {
        inbox_->changed.wait_for(lock, kLook);
      }
      events.swap(inbox_->events);
      inbox_->woken = false;
      closing = inbox_->closing;
    }
    bool went_back = false;
    for (auto& [id, event] : events) went_back |= take(id, std::move(event));
    if (closing) return;
    survives("video jobs", [&] {
      store_.expire();
      if (!went_back) submit_queued();
    });
  }
}

void VideoRunner::submit_queued() {
  for (const std::string& id : store_.queued()) {
    {
      const std::lock_guard lock(mutex_);
      if (running_.size() >= at_once_) return;
      if (running_.contains(id)) continue;
    }
    const Status submitted = attempt("this video", [&] { return submit(id); });
    if (submitted) continue;
    forget(id);
    if (may_pass(submitted.error())) return;
    note(store_.fail(id, submitted.error()), id);
  }
}

Status VideoRunner::submit(const std::string& id) {
  const auto job = store_.find(id);
  if (!job) return {};  // removed meanwhile
  if (job->package != package_.digest) {
    return fail(Error{Code::kFailedPrecondition, "the package has changed since the job was made",
                      "package_changed"});
  }
  SERIN_TRY_ASSIGN(const json::object fields, store_.request(id));
  SERIN_TRY_ASSIGN(auto request, parser_.parse(fields));
  {
    const std::lock_guard lock(mutex_);
    running_[id] = request.cancel;
  }
  auto sink = [inbox = inbox_, id](engine::Event event) {
    {
      const std::lock_guard lock(inbox->mutex);
      inbox->events.emplace_back(id, std::move(event));
    }
    inbox->changed.notify_all();
  };
  return engine_.submit(std::move(request), std::move(sink));
}

bool VideoRunner::take(const std::string& id, engine::Event event) {
  bool goes_back = false;
  if (std::holds_alternative<engine::Started>(event)) {
    store_.set_progress(id, 0);
  } else if (const auto* progress = std::get_if<engine::Progress>(&event)) {
    store_.set_progress(id, percent(*progress));
  } else if (const auto* finished = std::get_if<engine::Finished>(&event)) {
    finish(id, *finished);
    forget(id);
  } else if (const auto* failed = std::get_if<engine::Failed>(&event)) {
    // Once admitted, an engine without memory fails the job, not the moment.
    goes_back = failed->error.code == Code::kUnavailable;
    if (goes_back) {
      store_.set_queued(id);
    } else {
      note(store_.fail(id, failed->error), id);
    }
    forget(id);
  }
  return goes_back;
}

void VideoRunner::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  running_.erase(id);
}

void VideoRunner::finish(const std::string& id, const engine::Finished& finished) {
  const Status kept = attempt("this video", [&]() -> Status {
    SERIN_TRY_ASSIGN(const std::string clip, pack_clip(std::get<model::VideoOutput>(output_.kind),
                                                       finished.outputs.at(output_.name)));
    return store_.complete(id, clip);
  });
  if (!kept) note(store_.fail(id, kept.error()), id);
}

}  // namespace serin::worker
