// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/facts.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "platform/kubernetes/platform/replicas.h"
#include "platform/worker_health.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::chrono::seconds kAgain{10};
constexpr std::chrono::seconds kAnswerWithin{5};
constexpr std::size_t kBodyBytes = 16 * 1024;

}  // namespace

struct FactsOfWorkers::Heard {
  struct Worker {
    std::optional<Instant> asked;
    std::optional<WorkerFacts> said;
  };
  std::mutex mutex;
  std::map<std::string, Worker> workers;

  void take(const std::string& uid, const std::string& body) {
    const WorkerHealth health = read_health(200, body);
    const std::lock_guard lock(mutex);
    const auto found = workers.find(uid);
    if (found == workers.end() || health.profile.empty()) return;
    found->second.said = WorkerFacts{health.profile, health.reproducible};
  }
};

FactsOfWorkers::FactsOfWorkers(const Clock& clock, std::shared_ptr<Heard> heard,
                               std::unique_ptr<net::Client> client)
    : clock_(clock), heard_(std::move(heard)), client_(std::move(client)) {}

Result<std::unique_ptr<FactsOfWorkers>> FactsOfWorkers::create(const Clock& clock) {
  SERIN_TRY_ASSIGN(auto client, net::Client::create());
  return std::unique_ptr<FactsOfWorkers>(
      new FactsOfWorkers(clock, std::make_shared<Heard>(), std::move(client)));
}

void FactsOfWorkers::ask(const std::string& uid, std::string_view address) {
  net::ClientRequest request;
  request.url = url_of("http", address, kWorkerPort) + "/health/ready";
  request.timeout = kAnswerWithin;
  const auto body = std::make_shared<std::string>();
  net::ResponseSink sink;
  sink.on_head = [](const net::ResponseHead&) {};
  sink.on_bytes = [body](std::string_view bytes) {
    body->append(bytes.substr(0, kBodyBytes - std::min(kBodyBytes, body->size())));
  };
  sink.on_end = [body, uid, heard = heard_] { heard->take(uid, *body); };
  sink.on_error = [](const Error&) {};  // it is asked again
  client_->stream(std::move(request), std::move(sink));
}

std::map<std::string, WorkerFacts> FactsOfWorkers::of(const std::vector<Object>& pods) {
  std::map<std::string, WorkerFacts> said;
  std::map<std::string, std::string> to_ask;
  {
    const Instant now = clock_.now();
    const std::lock_guard lock(heard_->mutex);
    std::map<std::string, Heard::Worker> living;
    for (const Object& pod : pods) {
      if (label_of(*pod).empty()) continue;
      const std::string uid(uid_of(*pod));
      Heard::Worker& worker = living[uid] = heard_->workers[uid];
      if (worker.said) said[uid] = *worker.said;
      const std::string_view address = text_at(*pod, "/status/podIP");
      const bool due = !worker.asked || now - *worker.asked >= kAgain;
      if (worker.said || !due || address.empty() || !takes_requests(*pod)) continue;
      worker.asked = now;
      to_ask[uid] = address;
    }
    heard_->workers = std::move(living);
  }
  for (const auto& [uid, address] : to_ask) ask(uid, address);
  return said;
}

}  // namespace serin::platform::kubernetes
