// SPDX-License-Identifier: Apache-2.0
#include "net/http/client.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "net/http/client_pool.h"
#include "net/io/threads.h"

namespace serin::net {

namespace {

// Cancellation is read at each tick.
constexpr std::chrono::milliseconds kTick{25};
constexpr unsigned kMostThreads = 64;

struct Worker {
  std::shared_ptr<Loop> loop;
  std::unique_ptr<ClientPool> pool;
};

class HttpClient final : public Client {
 public:
  explicit HttpClient(const ClientOptions& options)
      : body_bytes_(options.limits.body_bytes),
        tls_options_(options.tls),
        addresses_(options.addresses),
        io_(options.io) {
    const unsigned threads = io_ ? io_->size() : options.threads;
    ClientLimits limits = options.limits;
    limits.connections_per_host = std::max<std::size_t>(1, limits.connections_per_host / threads);
    for (unsigned i = 0; i < threads; ++i) {
      Worker worker;
      worker.loop = io_ ? io_->loops()[i] : Loop::start(kTick, kTick);
      worker.pool = std::make_unique<ClientPool>(*worker.loop, limits);
      workers_.push_back(std::move(worker));
    }
  }

  ~HttpClient() override {
    SERIN_CHECK(!io_ || io_->stopped());
    for (Worker& worker : workers_) {
      // Where the threads have ended already, this one stands for them.
      if (io_) {
        worker.pool->shut();
        continue;
      }
      worker.loop->post([pool = worker.pool.get()] { pool->shut(); });
      worker.loop->stop();
    }
  }

  Result<Response> fetch(ClientRequest request) override;
  void stream(ClientRequest request, ResponseSink sink) override {
    begin(worker_for_next(), std::move(request), std::move(sink), 0);
  }
  std::shared_ptr<ClientStream> open(ClientRequest request, ResponseSink sink) override;

 private:
  std::shared_ptr<ClientCall> begin(Worker& worker, ClientRequest request, ResponseSink sink,
                                    std::size_t body_limit);
  Worker& worker_for_next() {
    return workers_[next_.fetch_add(1, std::memory_order_relaxed) % workers_.size()];
  }

  const Result<std::shared_ptr<TlsContext>>& tls();

  std::size_t body_bytes_;
  const TlsClientOptions tls_options_;
  const decltype(ClientOptions::addresses) addresses_;
  const std::shared_ptr<IoThreads> io_;
  std::once_flag tls_once_;
  Result<std::shared_ptr<TlsContext>> tls_;
  std::vector<Worker> workers_;
  std::atomic<std::size_t> next_{0};
};

// Reading the system's authorities takes tens of milliseconds: not before somebody asks for https.
const Result<std::shared_ptr<TlsContext>>& HttpClient::tls() {
  std::call_once(tls_once_, [this] { tls_ = TlsContext::client(tls_options_); });
  return tls_;
}

std::shared_ptr<ClientCall> HttpClient::begin(Worker& worker, ClientRequest request,
                                              ResponseSink sink, std::size_t body_limit) {
  auto call = std::make_shared<ClientCall>(std::move(request));
  call->deadline = std::chrono::steady_clock::now() + call->request.timeout;
  call->sink = std::move(sink);
  call->body_limit = body_limit;
  const auto refuse = [&](const Error& error) {
    worker.loop->post([call, error] { call->fail(error); });
    return call;
  };
  if (!call->request.endpoint) {
    auto endpoint = parse_url(call->request.url);
    if (!endpoint) return refuse(endpoint.error());
    const auto known = addresses_.find(endpoint->host);
    if (known != addresses_.end()) endpoint->addresses = known->second;
    call->request.endpoint = std::make_shared<const Endpoint>(*std::move(endpoint));
  }
  if (call->request.endpoint->tls) {
    if (!tls()) return refuse(tls().error());
    call->tls = *tls();
  }
  if (worker.loop->on_thread()) {
    worker.pool->begin(call);
  } else {
    worker.loop->post([pool = worker.pool.get(), call] { pool->begin(call); });
  }
  return call;
}

std::shared_ptr<ClientStream> HttpClient::open(ClientRequest request, ResponseSink sink) {
  const auto here = std::find_if(workers_.begin(), workers_.end(),
                                 [](const Worker& worker) { return worker.loop->on_thread(); });
  SERIN_CHECK(here != workers_.end());
  return begin(*here, std::move(request), std::move(sink), 0);
}

Result<Response> HttpClient::fetch(ClientRequest request) {
  for (const Worker& worker : workers_) SERIN_CHECK(!worker.loop->on_thread());
  // Shared with the call-backs: the one that ends the wait still touches the promise after we have
  // gone on.
  struct Gathered {
    std::promise<Result<Response>> promise;
    Response response;
  };
  const auto gathered = std::make_shared<Gathered>();
  ResponseSink sink;
  sink.on_head = [gathered](ResponseHead head) {
    gathered->response.status = head.status;
    gathered->response.headers = std::move(head.headers);
  };
  sink.on_bytes = [gathered](std::string_view bytes) { gathered->response.body += bytes; };
  sink.on_end = [gathered] { gathered->promise.set_value(std::move(gathered->response)); };
  sink.on_error = [gathered](Error error) { gathered->promise.set_value(fail(std::move(error))); };
  auto future = gathered->promise.get_future();
  begin(worker_for_next(), std::move(request), std::move(sink), body_bytes_);
  return future.get();
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(ClientOptions options) {
  if (!options.io && (options.threads == 0 || options.threads > kMostThreads))
    return invalid("threads must be 1 to 64", "threads");
  return std::make_unique<HttpClient>(options);
}

}  // namespace serin::net
