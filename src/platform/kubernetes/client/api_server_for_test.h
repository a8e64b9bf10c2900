// SPDX-License-Identifier: Apache-2.0
// For tests: as much of an API server as a client can tell from a real one, in memory, and every
// fault on demand. Objects stand under their paths ("/api/v1/namespaces/a/pods/x"). From any
// thread; the server's own is another.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "net/http/server.h"
#include "platform/kubernetes/client/kubeconfig.h"

namespace serin::platform::kubernetes {

struct Asked {
  std::string method, target, body;
  std::string token, media;
  std::string query(std::string_view name) const;
};

net::Response json_response(std::uint16_t status, const json::value& body);
// A refusal as the server makes it.
net::Response refusal(std::uint16_t status, std::string_view reason,
                      std::string_view message = "no", json::array causes = {});

class ApiServerForTest {
 public:
  // What answers instead, where it gives an answer.
  using Script = std::function<std::optional<net::Response>(const Asked&)>;

  explicit ApiServerForTest(std::optional<net::TlsFiles> tls = std::nullopt);
  ~ApiServerForTest();

  std::string url() const;
  Access access() const;  // as nobody
  void stop();            // nothing listens; what is stored stays
  void start();           // on the same port
  void hush();            // takes requests and answers none, until it is stopped

  void script(Script script);
  // The next answers to such requests, then as usual.
  void answer_next(std::string method, std::vector<net::Response> answers);

  json::object put(const std::string& path, json::object object = {});
  void erase(const std::string& path);
  std::optional<json::object> stored(const std::string& path) const;
  // Versions up to now are too old to watch or page from.
  void forget_history();
  void bookmark();

  std::size_t watches() const;
  void send_to_watches(const std::string& raw);
  void end_watches(bool in_order);

  std::vector<Asked> asked() const;
  std::size_t count(std::string_view method, std::string_view part_of_target = "") const;

 private:
  struct Place;
  struct Happened {
    std::int64_t version;
    std::string type, path;
    json::object object;
  };
  struct Watcher {
    std::shared_ptr<net::Exchange> exchange;
    std::string collection;
  };

  void handle(const std::shared_ptr<net::Exchange>& exchange, const std::string& body);
  net::Response answer(const Asked& asked);
  net::Response list(const Asked& asked, const std::string& collection);
  net::Response create(const Asked& asked, const std::string& collection);
  net::Response change(const Asked& asked, const std::string& path);
  net::Response remove(const Asked& asked, const std::string& path);
  void watch(const std::shared_ptr<net::Exchange>& exchange, const Asked& asked);
  json::object store(const std::string& path, json::object object);
  void drop(const std::string& path);
  void happen(const std::string& type, const std::string& path, const json::object& object);
  void send(const Watcher& watcher, const std::string& text);

  std::optional<net::TlsFiles> tls_;
  mutable std::mutex mutex_;
  std::map<std::string, json::object> objects_;
  std::vector<Happened> history_;
  std::int64_t version_ = 100;
  std::int64_t oldest_ = 0;
  std::int64_t uids_ = 0;
  std::vector<Watcher> watchers_;
  bool hushed_ = false;
  std::vector<std::shared_ptr<net::Exchange>> unanswered_;
  std::vector<Asked> asked_;
  Script script_;
  std::map<std::string, std::vector<net::Response>> next_;
  std::uint16_t port_ = 0;
  std::unique_ptr<net::Server> server_;
};

}  // namespace serin::platform::kubernetes
