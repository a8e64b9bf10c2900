// SPDX-License-Identifier: Apache-2.0
#include "platform/local/local_platform.h"

#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/files.h"
#include "base/last_resort.h"
#include "base/log.h"
#include "model/registry.h"
#include "platform/gateway_lines.h"
#include "platform/local/fleet.h"
#include "platform/local/gateway_keeper.h"

namespace serin::platform::local {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// What stands in a socket's path below the state folder, at its longest.
constexpr std::string_view kLongestSocket = "/gateway-999999999.sock.fd.new";
constexpr std::size_t kSocketPath = 107;

Status make_folders(const fs::path& state) {
  if (state.string().size() + kLongestSocket.size() > kSocketPath) {
    return invalid("the path of the state folder " + state.string() + " is longer than " +
                   std::to_string(kSocketPath - kLongestSocket.size()) +
                   " bytes, and the sockets in it would have none");
  }
  std::error_code problem;
  for (const char* name : {"", "workers", "logs", "registry"})
    fs::create_directories(state / name, problem);
  if (problem || ::chmod(state.c_str(), 0700) != 0)
    return fail(Code::kPermissionDenied, "cannot make the state folder " + state.string());
  return {};
}

Result<Descriptor> lock_state(const fs::path& state) {
  SERIN_TRY_ASSIGN(Descriptor lock, open_lock(state / "local.lock"));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::kAlreadyExists, "process " +
                                          read_file(state / "local.lock", 64).value_or("?") +
                                          " supervises " + state.string() + " already");
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
    return fail(error_of_errno(errno, "cannot write " + (state / "local.lock").string()));
  return lock;
}

}  // namespace

std::vector<std::string> find_gpus() {
  std::vector<std::string> found;
  std::error_code problem;
  constexpr int kMost = 64;
  for (int i = 0; i < kMost; ++i) {
    const std::string number = std::to_string(i);
    if (fs::exists("/dev/nvidia" + number, problem)) found.push_back(number);
  }
  return found;
}

std::string program_identity(const fs::path& program) {
  struct stat info{};
  if (::stat(program.c_str(), &info) != 0) return program.string();
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) + ":" +
         std::to_string(info.st_size) + ":" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

struct LocalPlatform::State {
  State(LocalOptions chosen, const Clock& time, Descriptor locked, RecordBook opened,
        model::Registry known, model::Registry uses, std::unique_ptr<Asker> made)
      : options(std::move(chosen)),
        clock(time),
        lock(std::move(locked)),
        book(std::move(opened)),
        registry(std::move(known)),
        released(std::move(uses)),
        asker(std::move(made)),
        fleet(options, book, *asker, clock),
        gateway(options, book, *asker, clock) {}

  Status adopt();
  void supervise(const std::stop_token& stop);
  void wait();
  void pass();
  void release_forgotten();
  Result<std::vector<gateway::Service>> services(
      const std::map<std::string, Traffic>& wanted) const;
  Status publish();
  Status wait_for_gateway(std::unique_lock<std::mutex>& held);

  const LocalOptions options;
  const Clock& clock;
  const Descriptor lock;
  std::mutex names;  // guards `registry`; taken before `mutex`
  std::mutex mutex;  // guards all else that follows but `asker`, which guards itself
  std::condition_variable changed;
  RecordBook book;
  model::Registry registry, released;
  std::unique_ptr<Asker> asker;
  Fleet fleet;
  GatewayKeeper gateway;
  std::map<std::string, Traffic> traffic;
  Instant house_next{};
  std::string said_problem;  // of the last publish(); said once
  std::jthread thread;
};

Status LocalPlatform::State::adopt() {
  SERIN_TRY_ASSIGN(const Records records, book.load());
  for (const Traffic& one : records.traffic) traffic[one.service] = one;
  SERIN_TRY(fleet.adopt(records));
  return gateway.adopt(records.gateways);
}

void LocalPlatform::State::supervise(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    survives("supervising", [this] { pass(); });
    wait();
  }
}

// Until a process ends, an answer comes, somebody calls, or it is time to look.
void LocalPlatform::State::wait() {
  std::vector<pollfd> watched{{asker->descriptor(), POLLIN, 0}};
  milliseconds tick = options.tick_steady;
  {
    const std::lock_guard held(mutex);
    for (const int descriptor : fleet.descriptors()) watched.push_back({descriptor, POLLIN, 0});
    for (const int descriptor : gateway.descriptors()) watched.push_back({descriptor, POLLIN, 0});
    if (fleet.busy() || gateway.busy()) tick = options.tick_busy;
  }
  ::poll(watched.data(), watched.size(), static_cast<int>(tick.count()));
}

void LocalPlatform::State::pass() {
  const auto answers = asker->take();
  const std::lock_guard held(mutex);
  for (const Answer& answer : answers) {
    if (answer.about == Answer::About::kReplica) {
      fleet.take(answer);
    } else {
      gateway.take(answer);
    }
  }
  fleet.pass();
  const Status published = publish();
  const std::string problem = published ? "" : published.error().message;
  if (problem != std::exchange(said_problem, problem) && !published)
    log::error("cannot tell the gateway", {{"why", problem}});
  gateway.pass();
  if (gateway.up_to_date() || !gateway.any_running()) fleet.let_go();
  release_forgotten();
  if (clock.now() >= house_next) {
    house_next = clock.now() + options.housekeeping;
    fleet.keep_house();
    gateway.keep_house();
  }
  changed.notify_all();
}

void LocalPlatform::State::release_forgotten() {
  for (const std::string& version : fleet.take_forgotten()) {
    if (const Status done = released.release(version); !done)
      log::warning("cannot release a package", {{"why", done.error().message}});
  }
}

// As it follows from what is wanted and what is ready now.
Result<std::vector<gateway::Service>> LocalPlatform::State::services(
    const std::map<std::string, Traffic>& wanted) const {
  std::vector<gateway::Service> all;
  for (const auto& [name, one] : wanted) {
    SERIN_TRY_ASSIGN(gateway::Service service, service_of(one, fleet.routed(name)));
    all.push_back(std::move(service));
  }
  return all;
}

Status LocalPlatform::State::publish() {
  SERIN_TRY_ASSIGN(auto all, services(traffic));
  return gateway.configure(std::move(all));
}

Status LocalPlatform::State::wait_for_gateway(std::unique_lock<std::mutex>& held) {
  const std::uint64_t wanted = gateway.revision();
  asker->wake();
  const auto done = [&] {
    return gateway.revision() > wanted || gateway.up_to_date() || !gateway.refusal().empty();
  };
  changed.wait_for(held, options.gateway.route_within, done);
  if (!gateway.refusal().empty()) return fail(Code::kInvalidArgument, gateway.refusal());
  if (done()) return {};
  return fail(Code::kUnavailable,
              "the gateway is not there at this moment; it will do so once it is");
}

LocalPlatform::LocalPlatform(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<LocalPlatform>> LocalPlatform::open(LocalOptions options,
                                                           const Clock& clock) {
  options.state = fs::absolute(options.state).lexically_normal();
  if (!options.state.has_filename()) options.state = options.state.parent_path();
  SERIN_TRY(make_folders(options.state));
  options.source.registry = options.state / "registry";
  if (options.source.cache.empty()) options.source.cache = cache_directory() / "packages";
  SERIN_TRY_ASSIGN(Descriptor lock, lock_state(options.state));
  SERIN_TRY_ASSIGN(RecordBook book, RecordBook::open(options.state / "local.db"));
  SERIN_TRY_ASSIGN(auto registry, model::Registry::open(options.source.registry, clock));
  SERIN_TRY_ASSIGN(auto released, model::Registry::open(options.source.registry, clock));
  SERIN_TRY_ASSIGN(auto asker, Asker::create());
  auto state = std::make_unique<State>(std::move(options), clock, std::move(lock), std::move(book),
                                       std::move(registry), std::move(released), std::move(asker));
  SERIN_TRY(state->adopt());
  return std::unique_ptr<LocalPlatform>(new LocalPlatform(std::move(state)));
}

LocalPlatform::~LocalPlatform() {
  state_->thread.request_stop();
  state_->asker->wake();
}

void LocalPlatform::start() {
  state_->thread =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->supervise(stop); });
}

bool LocalPlatform::shut_down(milliseconds at_most) {
  std::unique_lock held(state_->mutex);
  const auto until = std::chrono::steady_clock::now() + at_most;
  state_->gateway.close();
  state_->asker->wake();
  const bool drained =
      state_->changed.wait_until(held, until, [&] { return !state_->gateway.any_running(); });
  state_->fleet.close();
  state_->asker->wake();
  const bool ended =
      state_->changed.wait_until(held, until, [&] { return !state_->fleet.any_running(); });
  if (ended) state_->fleet.leave_no_groups();
  return ended && drained;
}

std::uint16_t LocalPlatform::port() const {
  const std::lock_guard held(state_->mutex);
  return state_->gateway.port();
}

int LocalPlatform::gateway_pid() const {
  const std::lock_guard held(state_->mutex);
  return state_->gateway.pid();
}

std::string LocalPlatform::admin_socket() const { return state_->gateway.admin().string(); }

Result<net::Response> LocalPlatform::metrics(std::string_view process, std::string_view accept) {
  std::string socket = admin_socket();
  if (process != "gateway") {
    const std::lock_guard held(state_->mutex);
    socket = state_->fleet.socket_of(process);
  }
  if (socket.empty())
    return fail(Code::kNotFound, "there is no process \"" + std::string(process) + "\"");
  net::ClientRequest request = get_from(socket, "/metrics", state_->options.gateway.answer_within);
  request.headers.add("accept", accept);
  SERIN_TRY_ASSIGN(net::Response answer, state_->asker->client().fetch(std::move(request)));
  net::Response response;
  response.status = answer.status;
  response.headers.add("content-type", answer.headers.get("content-type"));
  response.body = std::move(answer.body);
  return response;
}

Result<Model> LocalPlatform::resolve(const std::string& model) {
  const auto& source = state_->options.source;
  SERIN_TRY_ASSIGN(auto held, model::fetch_package(model, source));
  if (!model::parse_reference(model)) {
    // What the cache holds nobody writes to; a user's folder may change at any time.
    std::error_code problem;
    const bool folder = !model::is_url(model) && fs::is_directory(model, problem);
    const bool own = held.lock.open() && !folder;
    // One of its own: nobody else waits while bytes are copied.
    SERIN_TRY_ASSIGN(auto registry, model::Registry::open(source.registry, state_->clock));
    SERIN_TRY_ASSIGN(held, registry.add(held.root, own ? model::Registry::Take::kLink
                                                       : model::Registry::Take::kCopy));
  }
  Model resolved{model, held.digest, held.root};
  const std::lock_guard lock(state_->mutex);
  SERIN_TRY(state_->book.resolved(resolved, unix_seconds(state_->clock)));
  return resolved;
}

Status LocalPlatform::ensure(const VersionSpec& spec) {
  SERIN_TRY(check(spec));
  // Where it lies here, whatever the caller remembers of it.
  const std::lock_guard names(state_->names);
  VersionSpec wanted = spec;
  SERIN_TRY_ASSIGN(const auto held, state_->registry.at(spec.model.digest));
  wanted.model.root = held.root;
  SERIN_TRY_ASSIGN(const auto package, model::open_package(held.root, model::Verify::kStructure));
  const bool remote = package.manifest.engine == model::EngineKind::kRemote;
  const std::lock_guard lock(state_->mutex);
  SERIN_TRY(state_->registry.use(spec.service + "/" + spec.label, spec.model.digest));
  SERIN_TRY(state_->fleet.ensure(wanted, remote));
  state_->asker->wake();
  return {};
}

Status LocalPlatform::remove(std::string_view service, std::string_view label) {
  const std::lock_guard lock(state_->mutex);
  const auto routed = state_->traffic.find(std::string(service));
  if (routed != state_->traffic.end() &&
      (routed->second.stable == label || routed->second.candidate == label)) {
    return fail(Code::kFailedPrecondition, "requests of " + std::string(service) + " still go to " +
                                               std::string(label) + ": route them elsewhere");
  }
  SERIN_TRY(state_->fleet.remove(std::string(service), std::string(label)));
  state_->asker->wake();
  return {};
}

Result<std::vector<VersionStatus>> LocalPlatform::observe(std::string_view service) {
  const std::lock_guard lock(state_->mutex);
  return state_->fleet.observe(service);
}

Status LocalPlatform::route(const Traffic& traffic) {
  SERIN_TRY(check(traffic));
  std::unique_lock lock(state_->mutex);
  for (const std::string& label : {traffic.stable, traffic.candidate}) {
    if (label.empty() || state_->fleet.knows(traffic.service, label)) continue;
    return fail(Code::kFailedPrecondition, traffic.service + " has no version " + label);
  }
  // Refused before it is recorded.
  auto wanted = state_->traffic;
  wanted[traffic.service] = traffic;
  SERIN_TRY_ASSIGN(auto services, state_->services(wanted));
  SERIN_TRY(state_->gateway.check(std::move(services)));
  SERIN_TRY(state_->book.put(traffic));
  state_->traffic = std::move(wanted);
  SERIN_TRY(state_->publish());
  return state_->wait_for_gateway(lock);
}

Status LocalPlatform::unroute(std::string_view service) {
  std::unique_lock lock(state_->mutex);
  SERIN_TRY(state_->book.drop_traffic(std::string(service)));
  state_->traffic.erase(std::string(service));
  SERIN_TRY(state_->publish());
  return state_->wait_for_gateway(lock);
}

// The cursor is the number of the record that was read last.
Result<EvidencePage> LocalPlatform::evidence(std::string_view service, std::string_view after,
                                             std::size_t most) {
  if (!is_name(service)) return invalid("\"" + std::string(service) + "\" is no name", "service");
  std::uint64_t last = 0;
  const auto [end, wrong] = std::from_chars(after.data(), after.data() + after.size(), last);
  if (!after.empty() && (wrong != std::errc() || end != after.data() + after.size()))
    return invalid("\"" + std::string(after) + "\" is no number of a record", "after");
  SERIN_TRY_ASSIGN(
      const net::Response response,
      state_->asker->client().fetch(get_from(admin_socket(), evidence_target(service, last, most),
                                             state_->options.gateway.answer_within)));
  SERIN_TRY_ASSIGN(GatewayPage page, read_page(response, last));
  return EvidencePage{std::move(page.records), std::to_string(page.next), page.lost};
}

Result<std::vector<Sample>> LocalPlatform::samples(std::string_view service,
                                                   std::string_view scorer, double part,
                                                   std::size_t most) {
  SERIN_TRY(check_names(service, scorer));
  SERIN_TRY_ASSIGN(const net::Response response,
                   state_->asker->client().fetch(
                       get_from(admin_socket(), samples_target(service, scorer, part, most),
                                state_->options.gateway.answer_within)));
  return read_samples(response);
}

Status LocalPlatform::score(std::string_view service, std::string_view scorer,
                            const std::vector<SampleScore>& scores) {
  SERIN_TRY(check_names(service, scorer));
  net::ClientRequest request = get_from(admin_socket(), scores_target(service, scorer),
                                        state_->options.gateway.answer_within);
  request.method = "POST";
  request.body = write_scores(scores);
  SERIN_TRY_ASSIGN(const net::Response response, state_->asker->client().fetch(std::move(request)));
  return read_scored(response);
}

Result<Reply> LocalPlatform::ask(std::string_view service, std::string body, milliseconds within,
                                 const CancelToken& cancel) {
  if (!is_name(service)) return invalid("\"" + std::string(service) + "\" is no name", "service");
  net::ClientRequest request = get_from(admin_socket(), ask_target(service, within),
                                        within + state_->options.gateway.answer_within);
  request.method = "POST";
  request.body = std::move(body);
  request.cancel = cancel;
  SERIN_TRY_ASSIGN(net::Response response, state_->asker->client().fetch(std::move(request)));
  return Reply{response.status, std::move(response.body)};
}

Result<std::string> LocalPlatform::logs(std::string_view service, std::string_view replica,
                                        std::size_t lines) {
  const fs::path folder = state_->options.state / "logs";
  const auto missing = [&] {
    return fail(Code::kNotFound,
                "there is no log of " + std::string(replica.empty() ? service : replica));
  };
  if (!is_name(service)) return missing();
  std::vector<std::string> ids = logged(folder, service);
  if (!replica.empty()) std::erase_if(ids, [&](const std::string& id) { return id != replica; });
  if (ids.empty()) return missing();
  std::string text;
  for (const std::string& id : ids) {
    if (text.size() >= kTailBytes) break;
    text += tail(log_of(folder, service, id), lines);
  }
  return text;
}

}  // namespace serin::platform::local
