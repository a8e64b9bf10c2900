// SPDX-License-Identifier: Apache-2.0
#include "gateway/gateway.h"

#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <random>
#include <vector>

#include "base/log.h"
#include "gateway/admin.h"
#include "gateway/lane.h"
#include "gateway/scoring/question.h"
#include "net/io/threads.h"
#include "telemetry/process.h"
#include "telemetry/server_metrics.h"

namespace serin::gateway {
namespace {

using std::chrono::milliseconds;

// For the lanes to take up a configuration. They do nothing that lasts.
constexpr milliseconds kTakeUp{5'000};

double unix_now(const Clock& clock) {
  return std::chrono::duration<double>(clock.wall().time_since_epoch()).count();
}

// Records are numbered from the microsecond of the start, so that numbers grow from one process to
// the next.
std::uint64_t first_record(const Clock& clock) {
  return static_cast<std::uint64_t>(unix_now(clock) * 1e6);
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::vector<AccessRules> rules_of(const Config& config) {
  std::vector<AccessRules> rules;
  for (const Service& service : config.services) rules.push_back(service.access);
  return rules;
}

class GatewayImpl final : public Gateway {
 public:
  GatewayImpl(const GatewayOptions& options, const Clock& clock, std::unique_ptr<AccessLog> log,
              std::unique_ptr<telemetry::Tracing> tracing)
      : states_(registry_, first_record(clock), options.remembered_requests, options.evidence),
        tracing_(std::move(tracing)),
        log_(std::move(log)),
        feedback_log_(options.feedback_log, options.feedback_log_bytes),
        door_(
            clock,
            [this](const std::string& url, const CancelToken& cancel) {
              return fetch_keys(url, cancel);
            },
            true, options.evidence.empty() ? std::filesystem::path() : options.evidence / "quotas"),
        core_{clock,         registry_, states_,     tracing_->tracer(), *log_,
              feedback_log_, door_,     clock.now(), unix_now(clock)} {}

  ~GatewayImpl() override {
    admin_.reset();
    if (threads_) threads_->stop();
    server_.reset();
    core_.client.reset();
  }

  Status start(GatewayOptions options, Config config);
  Status apply(Config config) override;
  Config config() const override {
    const std::lock_guard lock(mutex_);
    return table_->config;
  }
  void ask(Question question) override;
  bool drain(milliseconds at_most) override {
    core_.draining = true;
    const bool whole = server_->drain(at_most);
    log::info("drained", {{"whole", whole}});
    return whole;
  }
  std::uint16_t port() const override { return server_->port(); }
  std::uint16_t admin_port() const override { return admin_ ? admin_->port() : 0; }

 private:
  Status hand_out(std::shared_ptr<const Table> table);
  Result<std::string> fetch_keys(const std::string& url, const CancelToken& cancel);

  telemetry::Registry registry_;
  telemetry::Gauge& revision_ =
      registry_.gauge("serin_gateway_config_revision", "The revision of the configuration in use.");
  States states_;
  std::unique_ptr<telemetry::Tracing> tracing_;
  std::unique_ptr<AccessLog> log_;
  FeedbackLog feedback_log_;
  std::unique_ptr<net::Client> keys_client_;  // for the door's thread alone, made when it is needed
  Door door_;
  Core core_;
  std::shared_ptr<net::IoThreads> threads_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::atomic<unsigned> asked_{0};  // questions so far: each goes to the next lane
  std::unique_ptr<net::Server> server_;
  std::unique_ptr<Admin> admin_;
  mutable std::mutex mutex_;  // guards the table of who applies and asks
  std::shared_ptr<const Table> table_;
};

Status GatewayImpl::start(GatewayOptions options, Config config) {
  if (options.data.threads == 0 || options.data.threads > net::IoThreads::kMost)
    return invalid("threads must be 1 to 256", "threads");
  core_.public_metrics = options.public_metrics;
  telemetry::measure_process(registry_, options.build, core_.clock);
  tracing_->measure(registry_);
  threads_ = net::IoThreads::start(options.data.threads);
  core_.copy_limits = options.copies;
  door_.use(rules_of(config));
  table_ = make_table(std::move(config), states_);
  revision_.set(static_cast<double>(table_->config.revision));
  for (unsigned i = 0; i < threads_->size(); ++i) {
    lanes_.push_back(std::make_unique<Lane>(core_, random_seed()));
    lanes_.back()->use(table_);
  }
  net::ClientOptions client;
  client.io = threads_;
  client.limits.connections_per_host = options.connections_per_worker * threads_->size();
  SERIN_TRY_ASSIGN(core_.client, net::Client::create(std::move(client)));
  threads_->on_tick([this](unsigned lane) { lanes_[lane]->tick(); });
  options.data.io = threads_;
  SERIN_TRY_ASSIGN(
      server_, net::Server::create(options.data, [this](std::shared_ptr<net::Exchange> exchange) {
        lanes_[threads_->here()]->serve(std::move(exchange));
      }));
  telemetry::measure_server(registry_, *server_);
  if (!options.admin_socket.empty() || options.admin_port) {
    SERIN_TRY_ASSIGN(admin_, Admin::create(options, *this, core_));
  }
  return {};
}

// The keys of tokens, of another server.
Result<std::string> GatewayImpl::fetch_keys(const std::string& url, const CancelToken& cancel) {
  if (keys_client_ == nullptr) {
    net::ClientOptions options;
    options.limits.body_bytes = 1 << 20;
    SERIN_TRY_ASSIGN(keys_client_, net::Client::create(std::move(options)));
  }
  net::ClientRequest request;
  request.url = url;
  request.headers = {{"accept", "application/json"}};
  request.timeout = milliseconds(5'000);
  request.cancel = cancel;
  SERIN_TRY_ASSIGN(net::Response response, keys_client_->fetch(std::move(request)));
  if (response.status != 200)
    return fail(Code::kUnavailable, url + " answered " + std::to_string(response.status));
  return std::move(response.body);
}

Status GatewayImpl::apply(Config config) {
  const std::lock_guard lock(mutex_);
  const Config& present = table_->config;
  if (config.revision <= present.revision) {
    if (config == present) return {};
    return fail(Error{Code::kAlreadyExists,
                      "revision " + std::to_string(config.revision) + " is not newer than " +
                          std::to_string(present.revision) + ", which is in use",
                      "old_revision"});
  }
  door_.use(rules_of(config));
  auto table = make_table(std::move(config), states_);
  SERIN_TRY(hand_out(table));
  table_ = std::move(table);
  revision_.set(static_cast<double>(table_->config.revision));
  states_.prune();
  log::info("configured",
            {{"revision", table_->config.revision}, {"services", table_->services.size()}});
  return {};
}

void GatewayImpl::ask(Question question) {
  const unsigned i = asked_.fetch_add(1, std::memory_order_relaxed) % threads_->size();
  threads_->post(i, [lane = lanes_[i].get(), question = std::move(question)]() mutable {
    gateway::ask(*lane, std::move(question));
  });
}

Status GatewayImpl::hand_out(std::shared_ptr<const Table> table) {
  // Shared with the lanes: one that answers too late must not find it gone.
  const auto left = std::make_shared<std::atomic<std::size_t>>(lanes_.size());
  const auto done = std::make_shared<std::promise<void>>();
  for (unsigned i = 0; i < lanes_.size(); ++i)
    threads_->post(i, [lane = lanes_[i].get(), table, left, done] {
      lane->use(table);
      if (left->fetch_sub(1) == 1) done->set_value();
    });
  if (done->get_future().wait_for(kTakeUp) == std::future_status::ready) return {};
  return fail(Code::kUnavailable, "the gateway is too busy to take up a configuration");
}

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(GatewayOptions options, Config config,
                                                 const Clock& clock) {
  SERIN_TRY_ASSIGN(auto log, AccessLog::open(options.access_log));
  std::error_code problem;
  if (!options.evidence.empty()) std::filesystem::create_directories(options.evidence, problem);
  telemetry::Attributes resource{{"service.name", std::string("serin-gateway")},
                                 {"service.version", options.build},
                                 {"process.pid", std::int64_t{::getpid()}}};
  SERIN_TRY_ASSIGN(auto tracing,
                   telemetry::Tracing::create(options.tracing, std::move(resource), clock));
  auto gateway = std::make_unique<GatewayImpl>(options, clock, std::move(log), std::move(tracing));
  SERIN_TRY(gateway->start(std::move(options), std::move(config)));
  return gateway;
}

}  // namespace serin::gateway
