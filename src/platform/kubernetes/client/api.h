// SPDX-License-Identifier: Apache-2.0
// The Kubernetes API: objects are JSON values, named by group, version, resource, namespace and
// name. Every call blocks, from any thread, until its answer, its time or its cancellation; what
// may be sent again after a failure is, with growing waits (status.h: may_repeat). Errors are the
// server's own (status.h: error_of), said to have happened to what was asked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "net/http/message.h"
#include "platform/kubernetes/client/kubeconfig.h"
#include "platform/kubernetes/client/watch_event.h"

namespace serin::platform::kubernetes {

struct Resource {
  std::string group;    // "apps"; empty: the core
  std::string version;  // "v1"
  std::string plural;   // "deployments"

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
};

// An object, or without a name all of a namespace, or without that all of the cluster.
struct Target {
  Resource resource;
  std::string ns = {};
  std::string name = {};
  std::string subresource = {};  // "status", "scale", "eviction"
};
std::string to_string(
    const Target& target);  // "deployments.apps shop/web", "pods in shop": for messages

struct Call {
  // All tries and the waits between them together; of a list, those of one page.
  std::chrono::milliseconds timeout{30'000};
  CancelToken cancel = {};
  bool dry_run = false;  // of a change: the server checks it and answers, and changes nothing
};

// Which of a collection. Selectors are as kubectl takes them.
struct Selection {
  std::string labels = {}, fields = {};
  std::size_t page = 500;  // objects that one answer has at the most
  // Is given every object that comes and may drop what is not needed of it.
  std::function<void(json::object&)> trim = {};
};

struct List {
  std::string version;  // to watch from
  std::vector<json::value> items;
};

struct Watching {
  std::string version;               // after which
  std::chrono::seconds lasts{300};   // when the server is to end it
  std::function<void()> begun = {};  // is called once the server watches, before anything happens
  CancelToken cancel = {};
};

struct Removal {
  std::string propagation = "Background";  // or "Foreground", "Orphan"
  std::string uid = {}, version = {};      // only while it still is that one; empty: whichever
};

struct LogRequest {
  std::string ns, pod, container;
  std::size_t lines = 100;
  std::size_t bytes = 1 << 20;
  bool previous = false;  // of the container before its last restart
};

struct ApiOptions {
  std::string manager = "serin";  // who applies: the owner of the fields that are set
  int attempts = 5;
  Backoff backoff{std::chrono::milliseconds(200), std::chrono::milliseconds(10'000)};
  std::size_t answer_bytes = 64 << 20;
  std::size_t event_bytes = 4 << 20;  // of a watch; an object of etcd has 1.5 MiB
  std::size_t list_items = 100'000;
};

class Transport;

class Api {
 public:
  // Speaks with nobody yet, but a plugin that says who we are runs. The clock outlives it.
  static Result<std::unique_ptr<Api>> create(Access access, const Clock& clock = Clock::real(),
                                             ApiOptions options = {});
  ~Api();

  Result<json::value> get(const Target& target, const Call& call = {});
  // As of now and all of one moment, in as many pages as need be. Where that moment is forgotten
  // before the last page, all at once.
  Result<List> list(const Target& target, const Selection& which, const Call& call = {});
  // Calls `each` on this thread with all that happens, until the server ends the watch (that is
  // well), `each` fails, the connection breaks, or it is cancelled. Tried once. kOutOfRange: nobody
  // knows any more what happened since, list anew.
  Status watch(const Target& target, const Selection& which, const Watching& how,
               const std::function<Status(WatchEvent&&)>& each);

  // A new object, whose own namespace and name stand in it; or one that a subresource takes
  // (eviction). Sent once.
  Result<json::value> create(const Target& target, const json::value& object,
                             const Call& call = {});
  // In place of the version that stands in it; kAborted when that is not the last one any more.
  Result<json::value> update(const Target& target, const json::value& object,
                             const Call& call = {});
  // Server-side apply: the fields that stand in it are ours. `force`: also those that others set;
  // else these are kAborted, and the error's param names them.
  Result<json::value> apply(const Target& target, const json::value& object, bool force,
                            const Call& call = {});
  Result<json::value> merge(const Target& target, const json::value& patch, const Call& call = {});
  // RFC 6902. Sent once, for appending twice is not appending once.
  Result<json::value> patch(const Target& target, const json::array& steps, const Call& call = {});
  // kNotFound also where a first try that broke off has done it.
  Status remove(const Target& target, const Removal& how = {}, const Call& call = {});

  Result<std::string> logs(const LogRequest& of, const Call& call = {});
  // What a group and version have: [{"name": "pods", "kind": "Pod", "namespaced", "verbs"}, …].
  // kNotFound where the server does not serve it.
  Result<json::array> resources(const std::string& group, const std::string& version,
                                const Call& call = {});

  const std::string& ns() const;  // of the context

 private:
  struct Ask;
  Api(std::unique_ptr<Transport> transport, ApiOptions options);
  Result<net::Response> send(const Ask& ask, const Call& call);
  Result<json::value> send_json(const Ask& ask, const Call& call);
  Ask change_of(std::string method, const Target& target, const json::value& body, const Call& call,
                std::string_view more = {}) const;
  Status take_pages(const Target& target, const Selection& which, std::size_t page, List& into,
                    const Call& call);

  const std::unique_ptr<Transport> transport_;
  const ApiOptions options_;
};

}  // namespace serin::platform::kubernetes
