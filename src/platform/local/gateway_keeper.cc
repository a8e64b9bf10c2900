// SPDX-License-Identifier: Apache-2.0
#include "platform/local/gateway_keeper.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/files.h"
#include "base/hand_over.h"
#include "base/log.h"
#include "net/io/listener.h"

namespace serin::platform::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr int kInherited = 3;
constexpr milliseconds kTellAgain{250};
constexpr milliseconds kHandOver{500};  // a living gateway takes microseconds
constexpr milliseconds kEndOfKilled{5'000};
constexpr const char* kOffer = ".fd";  // beside an admin socket
constexpr const char* kPort = "gateway_port";
constexpr const char* kRevision = "gateway_revision";
constexpr std::uint64_t kConfigBytes = std::uint64_t{64} << 20;

// A link to a name beside it, in place of what was there.
Status point(const fs::path& link, const fs::path& target) {
  fs::path beside = link;
  beside += ".new";
  std::error_code problem;
  fs::remove(beside, problem);
  fs::create_symlink(target, beside, problem);
  if (!problem) fs::rename(beside, link, problem);
  if (!problem) return {};
  return fail(Code::kUnknown, "cannot make " + link.string() + ": " + problem.message());
}

}  // namespace

GatewayKeeper::GatewayKeeper(const LocalOptions& options, RecordBook& book, Asker& asker,
                             const Clock& clock)
    : options_(options),
      book_(book),
      asker_(asker),
      clock_(clock),
      generation_([&] {
        std::string text = program_identity(options.program);
        for (const std::string& argument : options.gateway_arguments) text += "\n" + argument;
        return sha256_hex(text).substr(0, 16);
      }()),
      restarts_(options.gateway.restarts),
      closing_(options.only_end) {}

fs::path GatewayKeeper::admin_of(std::int64_t serial) const {
  return options_.state / ("gateway-" + std::to_string(serial) + ".sock");
}

fs::path GatewayKeeper::log_of_gateway(std::int64_t serial) const {
  return log_of(options_.state / "logs", "_gateway", "gateway-" + std::to_string(serial));
}

// The socket of a living gateway, or a new one on the port that we had before.
Status GatewayKeeper::listen() {
  if (serving_) {
    auto taken = take_descriptor(admin_of(serving_->record.serial).string() + kOffer, kHandOver);
    if (taken) {
      port_ = net::port_of(taken->get());
      socket_ = *std::move(taken);
      return {};
    }
    log::warning("the gateway does not give us its socket: it is replaced",
                 {{"why", taken.error().message}});
    // Nobody else may hold the port while we open it.
    serving_->process.signal(SIGKILL);
    serving_->process.wait(kEndOfKilled);
    forget(*serving_);
    serving_.reset();
  }
  SERIN_TRY_ASSIGN(const std::int64_t before, book_.number(kPort));
  std::uint16_t wanted = options_.port;
  if (wanted == 0) wanted = static_cast<std::uint16_t>(before);
  auto opened = net::listen_tcp(options_.address, wanted);
  if (!opened && options_.port == 0 && wanted != 0) opened = net::listen_tcp(options_.address, 0);
  if (!opened) return fail(std::move(opened).error());
  socket_ = Descriptor(opened->release());
  port_ = net::port_of(socket_.get());
  return book_.set_number(kPort, port_);
}

Status GatewayKeeper::adopt(const std::vector<GatewayRecord>& gateways) {
  const Instant now = clock_.now();
  for (const GatewayRecord& record : gateways) {
    auto process = Process::adopt(record.process);
    if (!process) {
      SERIN_TRY(book_.drop_gateway(record.serial));
      continue;
    }
    // Of several, the last one serves; the others were ending.
    if (serving_) leave(serving_, SIGTERM);
    serving_.emplace(record, *std::move(process), now);
  }
  SERIN_TRY_ASSIGN(const std::int64_t revision, book_.number(kRevision));
  config_.revision = static_cast<std::uint64_t>(revision);
  if (const auto text = read_file(options_.state / "gateway.json", kConfigBytes)) {
    if (auto config = gateway::read_config(*text, "gateway.json")) {
      config->revision = std::max(config->revision, config_.revision);
      config_ = *std::move(config);
    }
  }
  if (config_.revision == 0) SERIN_TRY(configure({}));
  return listen();
}

Status GatewayKeeper::check(std::vector<gateway::Service> services) const {
  gateway::Config config;
  config.revision = 1;
  config.services = std::move(services);
  SERIN_TRY(gateway::read_config(gateway::write_config(config), "the gateway's configuration"));
  return {};
}

Status GatewayKeeper::configure(std::vector<gateway::Service> services) {
  if (config_.revision > 0 && services == config_.services) return {};
  SERIN_TRY(check(services));
  gateway::Config next;
  next.revision = config_.revision + 1;
  next.services = std::move(services);
  // The number first: no other configuration will ever have it.
  SERIN_TRY(book_.set_number(kRevision, static_cast<std::int64_t>(next.revision)));
  SERIN_TRY(write_file(options_.state / "gateway.json", gateway::write_config(next)));
  config_ = std::move(next);
  refusal_.clear();
  tell_next_ = clock_.now();
  return {};
}

Status GatewayKeeper::start() {
  GatewayRecord record;
  record.generation = generation_;
  SERIN_TRY(book_.put(record));
  const fs::path log = log_of_gateway(record.serial);
  std::error_code problem;
  fs::create_directories(log.parent_path(), problem);
  Launch launch;
  launch.program = options_.program;
  launch.arguments = {"serin",          "gateway",
                      "--config",       (options_.state / "gateway.json").string(),
                      "--admin",        admin_of(record.serial).string(),
                      "--evidence",     (options_.state / "evidence").string(),
                      "--feedback-log", (options_.state / "feedback.jsonl").string(),
                      "--listen-fd",    std::to_string(kInherited)};
  launch.arguments.insert(launch.arguments.end(), options_.gateway_arguments.begin(),
                          options_.gateway_arguments.end());
  launch.log = log;
  launch.inherited = socket_.get();
  auto process = Process::start(launch, [&](const Identity& identity) {
    record.process = identity;
    return book_.put(record);
  });
  if (!process) {
    SERIN_TRY(book_.drop_gateway(record.serial));
    return fail(std::move(process).error());
  }
  const Instant now = clock_.now();
  log::info("started the gateway", {{"pid", record.process.pid}, {"port", port_}});
  coming_.emplace(record, *std::move(process), now);
  return {};
}

void GatewayKeeper::forget(const Instance& instance) {
  std::error_code problem;
  const fs::path admin = admin_of(instance.record.serial);
  fs::remove(admin, problem);
  fs::remove(admin.string() + kOffer, problem);
  if (auto dropped = book_.drop_gateway(instance.record.serial); !dropped)
    log::error("cannot forget a gateway", {{"why", dropped.error().message}});
}

void GatewayKeeper::leave(std::optional<Instance>& instance, int signal) {
  instance->process.signal(signal);
  instance->terminated = clock_.now();
  instance->killed = signal == SIGKILL;
  going_.push_back(*std::move(instance));
  instance.reset();
}

void GatewayKeeper::notice_ends() {
  const Instant now = clock_.now();
  for (std::optional<Instance>* one : {&serving_, &coming_}) {
    if (!*one) continue;
    const auto end = (*one)->process.ended();
    if (!end) continue;
    const std::string last = tail(log_of_gateway((*one)->record.serial), 1);
    log::error("the gateway ended", {{"how", end->how}, {"last", last}});
    // One that served for a while is replaced at once.
    next_start_ = now + restarts_.ended_after(now - (*one)->started);
    forget(**one);
    one->reset();
  }
  std::erase_if(going_, [&](Instance& one) {
    if (!one.process.ended()) return false;
    forget(one);
    return true;
  });
}

std::optional<std::string> GatewayKeeper::why_to_kill(Instance& instance, Instant now) const {
  const bool stopped = instance.process.stopped();
  // Twice: a debugger, or a shell, may stop it for a moment.
  if (std::exchange(instance.was_stopped, stopped) && stopped) return "it was stopped by a signal";
  if (now - instance.answered > options_.gateway.dead_after) return "it did not answer";
  return std::nullopt;
}

void GatewayKeeper::look_at_serving(Instant now) {
  if (!serving_) return;
  if (const auto why = why_to_kill(*serving_, now)) {
    log::error("the gateway is replaced", {{"why", *why}});
    next_start_ = now;
    return leave(serving_, SIGKILL);
  }
  if (!serving_->asking && now >= serving_->ask_next) ask(*serving_);
  if (!up_to_date() && refusal_.empty() && !serving_->telling && now >= tell_next_) tell(*serving_);
}

void GatewayKeeper::look_at_coming(Instant now) {
  const bool wanted = !serving_ || serving_->record.generation != generation_;
  if (!coming_ && wanted && !closing_ && now >= next_start_) {
    if (auto started = start(); !started) {
      log::error("cannot start the gateway", {{"why", started.error().message}});
      next_start_ = now + restarts_.ended_after(Duration::zero());
    }
  }
  if (!coming_) return;
  if (now - coming_->started > options_.gateway.start_within) {
    log::error("the gateway was not ready in time");
    next_start_ = now + restarts_.ended_after(Duration::zero());
    return leave(coming_, SIGKILL);
  }
  if (!coming_->asking && now >= coming_->ask_next) ask(*coming_);
}

void GatewayKeeper::look_at_going(Instant now) {
  for (Instance& one : going_) {
    if (one.killed || now - *one.terminated < options_.gateway.grace) continue;
    one.killed = true;
    one.process.signal(SIGKILL);
  }
}

void GatewayKeeper::pass() {
  const Instant now = clock_.now();
  notice_ends();
  look_at_serving(now);
  look_at_coming(now);
  look_at_going(now);
}

void GatewayKeeper::ask(Instance& instance) {
  instance.asking = true;
  Answer about;
  about.about = Answer::About::kGateway;
  about.serial = instance.record.serial;
  asker_.ask(about, get_from(admin_of(instance.record.serial).string(), "/health/ready",
                             options_.gateway.answer_within));
}

void GatewayKeeper::tell(Instance& instance) {
  instance.telling = true;
  Answer about;
  about.about = Answer::About::kConfig;
  about.serial = instance.record.serial;
  about.revision = config_.revision;
  net::ClientRequest request = get_from(admin_of(instance.record.serial).string(), "/config",
                                        options_.gateway.answer_within);
  request.method = "PUT";
  request.headers.add("content-type", "application/json");
  request.body = gateway::write_config(config_);
  asker_.ask(about, std::move(request));
}

// The one that came is ready.
void GatewayKeeper::take_over() {
  const std::int64_t serial = coming_->record.serial;
  if (auto pointed = point(admin(), admin_of(serial).filename()); !pointed)
    log::error("cannot name the gateway's admin socket", {{"why", pointed.error().message}});
  if (serving_) leave(serving_, SIGTERM);
  serving_ = std::exchange(coming_, std::nullopt);
  // It has read the file, perhaps before it was last written.
  acknowledged_ = 0;
  tell_next_ = clock_.now();
  log::info("the gateway serves", {{"pid", serving_->record.process.pid}, {"port", port_}});
}

void GatewayKeeper::told(const Answer& answer) {
  const Instant now = clock_.now();
  tell_next_ = now + kTellAgain;
  if (answer.status == 0) return;
  if (answer.status == 200) {
    acknowledged_ = std::max(acknowledged_, answer.revision);
    tell_next_ = now;
  } else if (answer.revision == config_.revision) {
    refusal_ = "the gateway refuses its configuration with " + std::to_string(answer.status) +
               ": " + answer.body;
    log::error(refusal_);
  }
}

void GatewayKeeper::take(const Answer& answer) {
  const Instant now = clock_.now();
  for (std::optional<Instance>* one : {&serving_, &coming_}) {
    if (!*one || (*one)->record.serial != answer.serial) continue;
    Instance& instance = **one;
    if (answer.status != 0) instance.answered = now;
    if (answer.about == Answer::About::kConfig) {
      instance.telling = false;
      if (one == &serving_) told(answer);
      return;
    }
    instance.asking = false;
    instance.ask_next = now + (one == &coming_ ? milliseconds(20) : options_.gateway.ask_every);
    if (one == &coming_ && answer.status == 200) take_over();
    return;
  }
}

void GatewayKeeper::keep_house() {
  std::vector<std::string> living;
  for (const Instance* one : {serving_ ? &*serving_ : nullptr, coming_ ? &*coming_ : nullptr}) {
    if (one == nullptr) continue;
    living.push_back("gateway-" + std::to_string(one->record.serial));
    if (auto rotated = rotate(log_of_gateway(one->record.serial), options_.logs); !rotated)
      log::warning("cannot rotate a log", {{"why", rotated.error().message}});
  }
  remove_old(options_.state / "logs", "_gateway", living, options_.logs);
}

void GatewayKeeper::close() {
  closing_ = true;
  if (coming_) leave(coming_, SIGKILL);
  if (serving_) leave(serving_, SIGTERM);
}

std::vector<int> GatewayKeeper::descriptors() const {
  std::vector<int> found;
  if (serving_) found.push_back(serving_->process.descriptor());
  if (coming_) found.push_back(coming_->process.descriptor());
  for (const Instance& one : going_) found.push_back(one.process.descriptor());
  return found;
}

}  // namespace serin::platform::local
