// SPDX-License-Identifier: Apache-2.0
#include "cluster/announcer.h"

#include <utility>

namespace serin::cluster {

Announcer::Announcer(platform::kubernetes::EventRecorder& recorder)
    : recorder_(recorder), thread_([this](const std::stop_token& stop) { run(stop); }) {}

Announcer::~Announcer() {
  thread_.request_stop();
  thread_.join();
}

void Announcer::announce(json::object about, const control::Event& event) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWaiting) return;
  std::string note = event.version.empty() ? event.message : event.version + ": " + event.message;
  waiting_.push_back({.about = std::move(about),
                      .text = {.warning = event.warning,
                               .reason = event.reason,
                               .action = "Reconcile",
                               .note = std::move(note)}});
  changed_.notify_one();
}

void Announcer::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); }) &&
         !stop.stop_requested()) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    recorder_.record(next.about, next.text);
    lock.lock();
  }
}

}  // namespace serin::cluster
