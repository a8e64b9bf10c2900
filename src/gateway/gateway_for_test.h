// SPDX-License-Identifier: Apache-2.0
// For tests of the gateway: workers that do what a test says, and a gateway in front of them.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/eventually_for_test.h"
#include "base/files.h"
#include "base/json.h"
#include "gateway/gateway.h"
#include "net/http/client.h"
#include "net/http/server.h"

namespace serin::gateway {

// How long anything may take that must come about: never a matter of a machine's speed.
constexpr std::chrono::seconds kPatience{60};

// A real server that answers as a test says, and remembers what it was asked.
class FakeWorker {
 public:
  using Answer =
      std::function<void(const std::shared_ptr<net::Exchange>&, const std::string& body)>;

  explicit FakeWorker(Answer answer) : answer_(std::move(answer)) {
    net::ServerOptions options;
    options.port = 0;
    auto server = net::Server::create(options, [this](std::shared_ptr<net::Exchange> exchange) {
      exchange->read_body([this, exchange](Result<std::string> body) {
        if (!body) return;
        {
          const std::lock_guard lock(mutex_);
          asked_.emplace_back(exchange->head(), *body);
        }
        answer_(exchange, *body);
      });
    });
    EXPECT_TRUE(server.has_value());
    server_ = std::move(*server);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  void stop() { server_.reset(); }
  // Heads and bodies, in order.
  std::vector<std::pair<net::RequestHead, std::string>> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  Answer answer_;
  mutable std::mutex mutex_;
  std::vector<std::pair<net::RequestHead, std::string>> asked_;
  std::unique_ptr<net::Server> server_;
};

// Answers every request with its own name.
inline FakeWorker::Answer says(std::string word, std::uint16_t status = 200) {
  return [word, status](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
    exchange->respond({status, {{"content-type", "text/plain"}}, word});
  };
}

// Keeps requests until they are let go.
class Holder {
 public:
  FakeWorker::Answer answer() {
    return [this](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
      const std::lock_guard lock(mutex_);
      held_.push_back(exchange);
    };
  }
  std::size_t held() const {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  void release() {
    const std::lock_guard lock(mutex_);
    for (const auto& exchange : held_)
      exchange->post([exchange] { exchange->respond({200, {}, "late"}); });
    held_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<net::Exchange>> held_;
};

inline Service service_of(std::string name, std::vector<std::string> urls) {
  Service service;
  service.name = std::move(name);
  Version& version = service.versions.emplace_back();
  version.label = "v1";
  for (const std::string& url : urls)
    version.replicas.push_back({"r" + std::to_string(version.replicas.size()), url});
  service.split.stable = "v1";
  service.resilience.retry_backoff = std::chrono::milliseconds(1);
  return service;
}

// A gateway on a free port, its admin socket, and a client for both.
class TestGateway {
 public:
  explicit TestGateway(std::vector<Service> services, unsigned threads = 1,
                       GatewayOptions options = {})
      : folder_(*TemporaryDirectory::create()) {
    config_.revision = 1;
    config_.services = std::move(services);
    options.data.port = 0;
    options.data.threads = threads;
    options.admin_socket = folder_.path() / "gateway.sock";
    options.access_log = folder_.path() / "access.log";
    auto made = Gateway::create(options, config_);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    gateway_ = std::move(*made);
    client_ = *net::Client::create();
  }

  Gateway& gateway() { return *gateway_; }
  std::uint16_t admin_port() const { return gateway_->admin_port(); }
  void close() { gateway_.reset(); }
  Config& config() { return config_; }
  net::Client& client() const { return *client_; }
  void apply() {
    ++config_.revision;
    const auto applied = gateway_->apply(config_);
    EXPECT_TRUE(applied) << (applied ? "" : applied.error().message);
  }
  std::filesystem::path access_log() const { return folder_.path() / "access.log"; }

  net::ClientRequest request(std::string path, std::string body = "{}", net::Headers headers = {},
                             std::string method = "POST") const {
    net::ClientRequest made;
    made.url = "http://127.0.0.1:" + std::to_string(gateway_->port()) + std::move(path);
    made.method = std::move(method);
    made.headers = std::move(headers);
    made.body = std::move(body);
    made.timeout = kPatience;
    return made;
  }
  net::Response post(std::string path, std::string body = "{}", net::Headers headers = {}) const {
    return fetched(request(std::move(path), std::move(body), std::move(headers)));
  }
  net::Response get(std::string path) const {
    return fetched(request(std::move(path), "", {}, "GET"));
  }
  net::ClientRequest admin_request(std::string method, std::string path) const {
    net::ClientRequest made;
    made.url = "unix:" + (folder_.path() / "gateway.sock").string() + ":" + std::move(path);
    made.method = std::move(method);
    made.timeout = kPatience;
    return made;
  }
  net::Response admin(std::string method, std::string path, std::string body = "") const {
    net::ClientRequest request = admin_request(std::move(method), std::move(path));
    request.body = std::move(body);
    return fetched(std::move(request));
  }
  // All evidence of the service, as JSON.
  std::vector<json::object> evidence(const std::string& service) const {
    const net::Response page = admin("GET", "/evidence?service=" + service);
    std::vector<json::object> records;
    std::string_view rest = page.body;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      records.push_back(json::parse(rest.substr(0, end)).as_object());
      rest.remove_prefix(end + 1);
    }
    return records;
  }

 private:
  net::Response fetched(net::ClientRequest request) const {
    auto response = client_->fetch(std::move(request));
    EXPECT_TRUE(response.has_value()) << (response ? "" : response.error().message);
    return response ? *response : net::Response{};
  }

  TemporaryDirectory folder_;
  Config config_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<net::Client> client_;
};

// Who takes an answer and makes nothing of it.
inline net::ResponseSink nobody() {
  return {.on_head = [](const net::ResponseHead&) {},
          .on_bytes = [](std::string_view) {},
          .on_trailers = {},
          .on_end = [] {},
          .on_error = [](const Error&) {}};
}

// Sends requests that nobody waits for.
inline void hold(const TestGateway& gateway, const net::Headers& headers, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    gateway.client().stream(gateway.request("/generate", "{}", headers), nobody());
}

}  // namespace serin::gateway
