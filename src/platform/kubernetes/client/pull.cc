// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/pull.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace serin::platform::kubernetes {
namespace {

constexpr std::size_t kAhead = 256 << 10;

}  // namespace

struct Pull::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<net::ResponseHead> head;
  std::string bytes;
  bool over = false;
  std::optional<Error> error;
  bool held = false;  // the server is held up

  std::shared_ptr<net::ClientStream> stream;  // of the client's thread alone

  void take(std::string_view piece) {
    bool full = false;
    {
      const std::lock_guard lock(mutex);
      bytes += piece;
      full = bytes.size() > kAhead && !std::exchange(held, true);
    }
    changed.notify_one();
    if (full && stream) stream->pause(true);
  }
  void end(std::optional<Error> with) {
    {
      const std::lock_guard lock(mutex);
      over = true;
      error = std::move(with);
    }
    changed.notify_one();
    stream = nullptr;
  }
  static net::ResponseSink sink_of(const std::shared_ptr<State>& state) {
    net::ResponseSink sink;
    sink.on_head = [state](net::ResponseHead came) {
      {
        const std::lock_guard lock(state->mutex);
        state->head = std::move(came);
      }
      state->changed.notify_one();
    };
    sink.on_bytes = [state](std::string_view piece) { state->take(piece); };
    sink.on_end = [state] { state->end(std::nullopt); };
    sink.on_error = [state](Error error) { state->end(std::move(error)); };
    return sink;
  }
};

Pull::Pull(net::IoThreads& io, net::Client& client, net::ClientRequest request)
    : io_(io), state_(std::make_shared<State>()) {
  io_.post(0, [state = state_, &client, request = std::move(request)] {
    state->stream = client.open(request, State::sink_of(state));
  });
}

Pull::~Pull() {
  io_.post(0, [state = state_] {
    if (const auto stream = std::exchange(state->stream, nullptr)) stream->cancel();
  });
}

Result<net::ResponseHead> Pull::head() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->head || state_->over; });
  if (state_->head) return *state_->head;
  return fail(state_->error.value_or(Error{Code::kAborted, "the answer has no head"}));
}

Result<std::string> Pull::next() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return !state_->bytes.empty() || state_->over; });
  std::string bytes = std::exchange(state_->bytes, {});
  if (std::exchange(state_->held, false))
    io_.post(0, [state = state_] {
      if (state->stream) state->stream->pause(false);
    });
  if (bytes.empty() && state_->error) return fail(*state_->error);
  return bytes;
}

}  // namespace serin::platform::kubernetes
