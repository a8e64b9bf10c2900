// SPDX-License-Identifier: Apache-2.0
#include "net/io/threads.h"

#include <chrono>

#include "base/check.h"
#include "net/io/loop.h"

namespace serin::net {

namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::milliseconds kLinkTick{100};

}  // namespace

IoThreads::IoThreads(unsigned count) {
  for (unsigned i = 0; i < count; ++i) loops_.push_back(Loop::start(kTick, kLinkTick));
}

std::shared_ptr<IoThreads> IoThreads::start(unsigned count) {
  SERIN_CHECK(count > 0 && count <= kMost);
  return std::shared_ptr<IoThreads>(new IoThreads(count));
}

IoThreads::~IoThreads() { stop(); }

unsigned IoThreads::here() const {
  for (unsigned i = 0; i < size(); ++i)
    if (loops_[i]->on_thread()) return i;
  return size();
}

void IoThreads::post(unsigned thread, std::function<void()> call) {
  loops_[thread]->post(std::move(call));
}

void IoThreads::on_tick(const std::function<void(unsigned)>& call) {
  for (unsigned i = 0; i < size(); ++i)
    loops_[i]->post([loop = loops_[i].get(), call, i] { loop->on_tick([call, i] { call(i); }); });
}

void IoThreads::stop() {
  for (const auto& loop : loops_) loop->stop();
}

bool IoThreads::stopped() const { return loops_.front()->stopped(); }

}  // namespace serin::net
