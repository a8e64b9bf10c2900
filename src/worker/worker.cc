// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.h"

#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <variant>

#include "base/log.h"
#include "engine/loaded_package.h"
#include "model/attestation.h"
#include "model/sign.h"
#include "net/http/error_body.h"
#include "net/io/listener.h"
#include "telemetry/otlp_http.h"
#include "telemetry/process.h"
#include "telemetry/server_metrics.h"
#include "worker/api/relay/relay.h"
#include "worker/api/relay/relay_routes.h"
#include "worker/api/routes.h"
#include "worker/lifecycle/preparation.h"
#include "worker/lifecycle/sandbox.h"
#include "worker/upstream/upstream.h"

namespace serin::worker {
namespace {

using std::chrono::milliseconds;

// Where a start stands, for the start-up probe and for people who wait.
enum class Phase { kLoading, kCompiling, kServing };

// Whether every byte must be known to be the listed one before anything is made of the package.
// Otherwise its files are read once, digests beside the model (docs/decisions/0070).
bool digests_come_first(const WorkerOptions& options, const model::Manifest& manifest) {
  const bool vouched_for = options.pinned || !options.trust.empty();
  const bool runs_code = manifest.remote || engine::needs_preparation(manifest);
  return vouched_for || runs_code || !options.sandbox;
}

net::Response while_loading(const std::string& path, Phase phase) {
  if (path == "/health/live") {
    return {200, {{"content-type", "application/json"}}, R"({"status":"live"})"};
  }
  Error error{Code::kUnavailable,
              phase == Phase::kCompiling ? "the model is being compiled for this machine"
                                         : "the model is still loading",
              "model_loading"};
  error.retry_after = milliseconds(1000);
  return net::error_response(error);
}

class WorkerImpl final : public Worker {
 public:
  WorkerImpl(WorkerOptions options, model::Package package, std::optional<model::Trust> trust,
             std::unique_ptr<Preparation> preparation, std::unique_ptr<Upstream> upstream)
      : options_(std::move(options)),
        package_(std::move(package)),
        trust_(std::move(trust)),
        preparation_(std::move(preparation)),
        upstream_(std::move(upstream)),
        metrics_(service(), options_.version, package_.digest),
        // Two at least, so that one long task holds up no other.
        pool_(std::make_unique<Pool>(std::max(2u, options_.server.threads), options_.pool_tasks)) {}

  ~WorkerImpl() override {
    // The server goes first: from then on nobody calls, and what is posted to a connection is
    // dropped. Then those who post, the ones that hand out work before the one that does it.
    server_.reset();
    pool_.reset();
    video_runner_.reset();
    engine_.reset();
    upstream_.reset();
    relay_.reset();
  }

  Status listen() {
    SERIN_TRY(start_tracing());
    SERIN_TRY_ASSIGN(server_, net::Server::create(
                                  options_.server, [this](std::shared_ptr<net::Exchange> exchange) {
                                    const Phase phase = phase_.load(std::memory_order_acquire);
                                    if (phase == Phase::kServing)
                                      return routes_->handle(std::move(exchange));
                                    exchange->respond(while_loading(exchange->head().path, phase));
                                  }));
    return {};
  }

  Status load() override {
    SERIN_TRY(await_preparation());
    const Instant began = clock_.now();
    SERIN_TRY(load_checked());
    SERIN_TRY(start_videos());
    context_ = std::make_unique<api::Context>(
        api::Context{options_, package_, *parser_, engine_.get(), metrics_, tracing_->tracer(),
                     clock_, *pool_, draining_, failures_, videos_.get(), video_runner_.get(),
                     attested(), upstream_.get(), relay_.get()});
    routes_ = std::make_unique<api::Routes>(*context_);
    measure_state();
    phase_.store(Phase::kServing, std::memory_order_release);
    const auto took = std::chrono::duration_cast<milliseconds>(clock_.now() - began);
    log::info("ready", {{"service", service()},
                        {"package", package_.digest},
                        {"profile", context_->profile()},
                        {"load_ms", took.count()}});
    return {};
  }

  bool drain() override {
    draining_ = true;
    // For the last bytes of what finished, or for the word that it did not.
    constexpr milliseconds kLastBytes{2000};
    const Instant until = clock_.now() + options_.drain_within;
    bool whole = engine_ == nullptr || engine_->drain(options_.drain_within);
    if (relay_ != nullptr) whole = relay_->drain(options_.drain_within) && whole;
    const auto left = std::chrono::duration_cast<milliseconds>(until - clock_.now());
    whole = server_->drain(std::max(left, kLastBytes)) && whole;
    log::info("drained", {{"whole", whole}});
    return whole;
  }

  std::uint16_t port() const override { return server_->port(); }

 private:
  std::string service() const {
    return options_.service.empty() ? package_.manifest.name : options_.service;
  }

  // Whether results can be had again to the bit, by an attestation that is believed.
  std::string attested() const {
    if (upstream_ != nullptr) return "no";  // whatever somebody attested
    const auto found =
        model::read_attestation(package_, engine_->profile(), trust_ ? &*trust_ : nullptr);
    if (!found) log::warning("an attestation is not believed", {{"reason", found.error().message}});
    return found && *found ? in_a_word(**found) : "unknown";
  }

  Status await_preparation() {
    if (preparation_ == nullptr) return {};
    const Instant began = clock_.now();
    SERIN_TRY(preparation_->finish(
        [this] { phase_.store(Phase::kCompiling, std::memory_order_release); }));
    preparation_.reset();
    const auto took = std::chrono::duration_cast<milliseconds>(clock_.now() - began);
    log::info("prepared", {{"prepare_ms", took.count()}});
    phase_.store(Phase::kLoading, std::memory_order_release);
    return {};
  }

  // Loads everything that is in the package, and says yes only to the bytes that model.yaml lists.
  Status load_checked() {
    auto digests = std::async(std::launch::async, [this] {
      return digests_come_first(options_, package_.manifest) ? Status{}
                                                             : model::check_digests(package_);
    });
    const Status loaded = load_files();
    const Status listed = digests.get();
    // Both have read by path. The first of these that fails explains the others.
    SERIN_TRY(model::check_unchanged(package_));
    SERIN_TRY(listed);
    return loaded;
  }

  Status load_files() {
    SERIN_TRY_ASSIGN(auto parser, engine::RequestParser::create(package_, options_.requests));
    parser_ = std::make_unique<engine::RequestParser>(std::move(parser));
    SERIN_TRY(begin_upstream());
    if (package_.manifest.relayed()) return {};
    SERIN_TRY_ASSIGN(engine_, engine::Engine::create(package_, options_.engine, clock_, &metrics_));
    return {};
  }

  // Requests that are relayed are answered 503 until the upstream is up. An engine's golden
  // requests need it now.
  Status begin_upstream() {
    if (upstream_ == nullptr) return {};
    if (package_.manifest.relayed()) {
      relay_ = std::make_unique<api::Relay>(*upstream_, options_.upstream.requests);
      return upstream_->begin(
          [this] { return api::prove_upstream(package_, *parser_, *upstream_); });
    }
    SERIN_TRY(upstream_->begin());
    return upstream_->wait_up(options_.ready_within);
  }

  Status start_videos() {
    if (video_output(package_.manifest) == nullptr || options_.state.empty()) return {};
    SERIN_TRY_ASSIGN(videos_, VideoStore::open(options_.state / "videos", options_.videos, clock_));
    video_runner_ = std::make_unique<VideoRunner>(package_, *parser_, *engine_, *videos_);
    return {};
  }

  // Gauges that are read when somebody looks.
  void measure_state() {
    telemetry::Registry& registry = metrics_.registry();
    telemetry::measure_process(registry, options_.build, clock_);
    telemetry::measure_server(registry, *server_);
    registry.gauge_read_by("serin_pool_waiting", "Tasks that wait for a thread of the pool.", {},
                           [pool = pool_.get()] { return static_cast<double>(pool->waiting()); });
    if (engine_ != nullptr) measure_engine(registry, engine_.get());
    if (upstream_ != nullptr) measure_upstream(registry, upstream_.get(), relay_.get());
  }

  static void measure_engine(telemetry::Registry& registry, engine::Engine* engine) {
    registry.gauge_read_by("serin_requests_waiting", "Requests admitted and not yet begun.", {},
                           [engine] { return static_cast<double>(engine->state().waiting); });
    registry.gauge_read_by("serin_requests_running", "Requests that the model is working on.", {},
                           [engine] { return static_cast<double>(engine->state().running); });
    registry.gauge_read_by(
        "serin_device_memory_bytes", "Memory of the device that the model holds.", {},
        [engine] { return static_cast<double>(engine->state().device_memory_bytes); });
  }

  static void measure_upstream(telemetry::Registry& registry, Upstream* upstream,
                               api::Relay* relay) {
    registry.gauge_read_by("serin_upstream_up", "Whether the upstream answers.", {},
                           [upstream] { return upstream->health().up ? 1.0 : 0.0; });
    registry.counter_read_by(
        "serin_upstream_command_starts_total", "How often the command was started.", {},
        [upstream] { return static_cast<double>(upstream->command_starts()); });
    if (relay == nullptr) return;
    registry.gauge_read_by("serin_requests_running", "Requests that the upstream is working on.",
                           {}, [relay] { return static_cast<double>(relay->under_way()); });
  }

  Status start_tracing() {
    SERIN_TRY_ASSIGN(tracing_,
                     telemetry::Tracing::create(options_.tracing,
                                                {{"service.name", service()},
                                                 {"service.version", options_.version},
                                                 {"process.pid", std::int64_t{::getpid()}}},
                                                clock_));
    tracing_->measure(metrics_.registry());
    return {};
  }

  const WorkerOptions options_;
  const model::Package package_;
  const std::optional<model::Trust> trust_;
  std::unique_ptr<Preparation> preparation_;  // until load() has waited for it
  const Clock& clock_ = Clock::real();
  std::atomic<bool> draining_{false};
  LogRoom failures_{api::kLoggedFailuresPerMinute, std::chrono::minutes(1)};
  std::atomic<Phase> phase_{Phase::kLoading};
  std::unique_ptr<Upstream> upstream_;
  std::unique_ptr<api::Relay> relay_;
  std::unique_ptr<telemetry::Tracing> tracing_;
  Metrics metrics_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<engine::RequestParser> parser_;
  std::unique_ptr<VideoStore> videos_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<VideoRunner> video_runner_;
  std::unique_ptr<api::Context> context_;
  std::unique_ptr<api::Routes> routes_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(WorkerOptions options) {
  SERIN_TRY_ASSIGN(auto package, model::open_package(options.package, model::Verify::kStructure));
  if (digests_come_first(options, package.manifest)) SERIN_TRY(model::check_digests(package));
  std::optional<model::Trust> trust;
  if (!options.trust.empty()) {
    SERIN_TRY_ASSIGN(trust, model::Trust::load(options.trust));
    SERIN_TRY_ASSIGN(const auto signer, model::verify_signature(package, *trust));
    log::info("signature", {{"signer", signer}});
  }
  std::unique_ptr<Upstream> upstream;
  if (package.manifest.remote) {
    options.upstream.sandbox = options.sandbox;
    SERIN_TRY_ASSIGN(upstream, Upstream::open(package, options.upstream));
    options.engine.upstream = upstream->address();
  }
  SERIN_TRY_ASSIGN(auto preparation, Preparation::start(package, options.engine));
  if (options.sandbox) {
    Sandbox sandbox = sandbox_for(options);
    if (upstream != nullptr) upstream->allow(sandbox);
    if (preparation != nullptr) preparation->allow(sandbox);
    if (!options.server.unix_socket.empty())
      SERIN_TRY(net::clear_stale_socket(options.server.unix_socket));
    SERIN_TRY(enter_sandbox(sandbox));
  }
  auto worker =
      std::make_unique<WorkerImpl>(std::move(options), std::move(package), std::move(trust),
                                   std::move(preparation), std::move(upstream));
  SERIN_TRY(worker->listen());
  return worker;
}

}  // namespace serin::worker
