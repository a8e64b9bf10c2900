// SPDX-License-Identifier: Apache-2.0
#include "platform/local/asker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/files.h"

namespace serin::platform::local {

struct Asker::Box {
  explicit Box(Descriptor made) : bell(std::move(made)) {}
  void put(Answer answer) {
    {
      const std::lock_guard lock(mutex);
      answers.push_back(std::move(answer));
    }
    ring();
  }
  void ring() const {
    const std::uint64_t once = 1;
    // Full only when nobody has looked 2^64 times.
    static_cast<void>(::write(bell.get(), &once, sizeof once) < 0);
  }

  Descriptor bell;
  std::mutex mutex;
  std::vector<Answer> answers;
};

Asker::Asker(std::shared_ptr<Box> box, std::unique_ptr<net::Client> client)
    : box_(std::move(box)), client_(std::move(client)) {}

Result<std::unique_ptr<Asker>> Asker::create() {
  Descriptor bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.open()) return fail(error_of_errno(errno, "cannot make an eventfd"));
  SERIN_TRY_ASSIGN(auto client, net::Client::create());
  return std::unique_ptr<Asker>(
      new Asker(std::make_shared<Box>(std::move(bell)), std::move(client)));
}

void Asker::ask(Answer about, net::ClientRequest request) {
  const auto answer = std::make_shared<Answer>(std::move(about));
  net::ResponseSink sink;
  sink.on_head = [answer](const net::ResponseHead& head) { answer->status = head.status; };
  sink.on_bytes = [answer](std::string_view bytes) {
    answer->body += bytes.substr(0, kBodyBytes - std::min(kBodyBytes, answer->body.size()));
  };
  sink.on_end = [answer, box = box_] { box->put(std::move(*answer)); };
  sink.on_error = [answer, box = box_](const Error&) {
    answer->status = 0;
    box->put(std::move(*answer));
  };
  client_->stream(std::move(request), std::move(sink));
}

std::vector<Answer> Asker::take() {
  std::uint64_t rung = 0;
  static_cast<void>(::read(box_->bell.get(), &rung, sizeof rung) < 0);
  const std::lock_guard lock(box_->mutex);
  return std::exchange(box_->answers, {});
}

int Asker::descriptor() const { return box_->bell.get(); }
void Asker::wake() const { box_->ring(); }

net::ClientRequest get_from(const std::string& socket, const std::string& path,
                            std::chrono::milliseconds within) {
  net::ClientRequest request;
  request.url = "unix:" + socket + ":" + path;
  request.timeout = within;
  return request;
}

}  // namespace serin::platform::local
