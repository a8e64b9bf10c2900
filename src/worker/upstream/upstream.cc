// SPDX-License-Identifier: Apache-2.0
#include "worker/upstream/upstream.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "net/http/uri.h"

namespace serin::worker {
namespace {

using model::Remote;
using std::chrono::milliseconds;
using Protocol = Remote::Protocol;

constexpr milliseconds kProbeTimeout{5'000};
// Shorter than servers keep theirs, so that a request does not meet a connection as it is closed.
constexpr milliseconds kIdleConnection{1'500};
constexpr std::size_t kLongestKey = 8192;

// Every address that the host has now; a literal address is its own.
Result<std::vector<std::string>> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int problem = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); problem != 0)
    return fail(Code::kUnavailable, "cannot look up " + host + ": " + ::gai_strerror(problem));
  std::vector<std::string> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = one->ai_family == AF_INET6
                            ? static_cast<const void*>(
                                  &reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr)
                            : &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr;
    if (::inet_ntop(one->ai_family, bytes, text.data(), text.size()) != nullptr)
      addresses.emplace_back(text.data());
  }
  ::freeaddrinfo(found);
  return addresses;
}

Result<std::string> read_key(const Remote& remote, const std::filesystem::path& file) {
  std::string key;
  std::string where = file.string();
  if (!file.empty()) {
    SERIN_TRY_ASSIGN(key, read_file(file, kLongestKey));
    while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  } else if (!remote.key_variable.empty()) {
    where = "the variable " + remote.key_variable;
    const char* value = std::getenv(remote.key_variable.c_str());
    if (value == nullptr) {
      return fail(
          Code::kFailedPrecondition,
          "the upstream wants a key: set " + remote.key_variable + ", or give --upstream-key-file");
    }
    key = value;
  } else {
    return key;
  }
  const bool usable = !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return c > 0x20 && c < 0x7f;
  });
  if (!usable) return invalid(where + " must hold one key: visible ASCII on one line");
  return key;
}

// A port that nobody listens on. Somebody else may take it before the command does; a {socket} is
// its own.
Result<std::uint16_t> free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  const bool found =
      fd >= 0 && ::bind(fd, plain, size) == 0 && ::getsockname(fd, plain, &size) == 0;
  const int problem = errno;
  if (fd >= 0) ::close(fd);
  if (!found) return fail(error_of_errno(problem, "no free port"));
  return ntohs(address.sin_port);
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

Status permit_command(const Remote& remote, bool allowed) {
  if (allowed) return {};
  return fail(Code::kPermissionDenied, "this package starts a command: " + joined(remote.command) +
                                           "; if you trust it, give --allow-command");
}

// "unix:/path" has no base yet: "unix:/path:" is where paths can be put behind.
std::string base_of(std::string url) {
  if (url.starts_with("unix:") && url.find(':', 5) == std::string::npos) url += ':';
  return url;
}

}  // namespace

std::string health_url(const Remote& remote) {
  const std::string& url = remote.url;
  const std::size_t authority = url.starts_with("unix:") ? 5 : url.find("://") + 3;
  const std::size_t end =
      url.starts_with("unix:") ? url.find(':', 5) + 1 : url.find('/', authority);
  const std::string root = url.substr(0, end);
  if (!remote.health_path.empty()) return root + remote.health_path;
  switch (remote.protocol) {
    case Protocol::kOpenAi:
      return url + "/models";
    case Protocol::kOpenInference:
      return url + "/v2/models/" + remote.model + "/ready";
    case Protocol::kHttp:
      return root + "/";
  }
  return url;
}

UpstreamHealth judge_probe(const Remote& remote, const Result<net::Response>& answer) {
  if (!answer) return {false, answer.error().message};
  const int status = answer->status;
  const bool strict = !remote.health_path.empty() || remote.protocol == Protocol::kOpenInference;
  const bool refused = status == 401 || status == 403;
  const bool any = remote.protocol == Protocol::kHttp;  // of a path that means nothing
  const bool up = strict ? status >= 200 && status < 300 : any || (status < 500 && !refused);
  if (up) return {true, "", {}};
  return {false, "GET " + health_url(remote) + " answered " + std::to_string(status) +
                     (refused ? ": its key is wrong or missing" : "")};
}

Result<std::unique_ptr<Upstream>> Upstream::open(const model::Package& package,
                                                 const UpstreamOptions& options) {
  engine::Upstream address{*package.manifest.remote, {}, {}};
  SERIN_TRY_ASSIGN(address.key, read_key(address.remote, options.key_file));
  std::unique_ptr<Upstream> upstream(new Upstream(std::move(address), options));
  Remote& remote = upstream->address_.remote;
  if (!remote.command.empty()) SERIN_TRY(upstream->start_command(package));
  remote.url = base_of(remote.url);
  SERIN_TRY_ASSIGN(const net::Endpoint endpoint, net::parse_url(remote.url + "/"));
  if (endpoint.unix_socket.empty()) {
    SERIN_TRY_ASSIGN(upstream->address_.addresses[endpoint.host], look_up(endpoint.host));
  }
  return upstream;
}

Status Upstream::start_command(const model::Package& package) {
  Remote& remote = address_.remote;
  SERIN_TRY(permit_command(remote, options_.allow_command));
  SERIN_TRY_ASSIGN(auto scratch, TemporaryDirectory::create("serin-upstream"));
  scratch_ = std::make_unique<TemporaryDirectory>(std::move(scratch));
  SERIN_TRY_ASSIGN(const std::uint16_t port, free_port());
  const std::string socket = (scratch_->path() / "socket").string();
  const bool on_port = remote.url.find("{port}") != std::string::npos;
  remote.url = model::filled(remote.url, port, socket);
  SERIN_TRY_ASSIGN(const net::Endpoint endpoint, net::parse_url(base_of(remote.url) + "/"));

  KeptCommand command;
  for (const std::string& word : remote.command)
    command.arguments.push_back(model::filled(word, port, socket));
  command.scratch = scratch_->path();
  command.directory = std::filesystem::absolute(package.root) / remote.directory;
  const char* path = std::getenv("PATH");
  command.environment = {{"PATH", path == nullptr ? "/usr/bin:/bin" : path},
                         {"HOME", scratch_->path().string()},
                         {"TMPDIR", scratch_->path().string()},
                         {"LANG", "C.UTF-8"}};
  if (on_port) command.environment.emplace_back("PORT", std::to_string(port));
  if (!endpoint.unix_socket.empty()) command.environment.emplace_back("SOCKET", socket);
  for (const std::string& name : remote.environment) {
    if (const char* value = std::getenv(name.c_str()))
      command.environment.emplace_back(name, value);
  }
  if (options_.sandbox) {
    Sandbox sandbox;
    sandbox.programs = true;
    sandbox.read = system_files();
    for (const char* file : {"/etc/passwd", "/etc/group"}) sandbox.read.emplace_back(file);
    sandbox.read.push_back(std::filesystem::absolute(package.root));
    sandbox.read.push_back(command.directory);
    sandbox.read.insert(sandbox.read.end(), remote.read.begin(), remote.read.end());
    sandbox.write = {"/dev/null", "/dev/shm", scratch_->path()};
    sandbox.write.insert(sandbox.write.end(), remote.write.begin(), remote.write.end());
    if (endpoint.port != 0) sandbox.bind = {endpoint.port};
    sandbox.connect = remote.connect;
    sandbox.datagrams = !remote.connect.empty();
    command.sandbox = std::move(sandbox);
  }
  SERIN_TRY_ASSIGN(command_, KeptProcess::start(std::move(command)));
  return {};
}

void Upstream::allow(Sandbox& sandbox) const {
  const auto endpoint = net::parse_url(address_.remote.url + "/");
  if (endpoint->unix_socket.empty()) sandbox.connect.push_back(endpoint->port);
  sandbox.connect_unix = !endpoint->unix_socket.empty();
}

Status Upstream::begin(std::function<Status()> proof) {
  net::ClientOptions options;
  options.addresses = address_.addresses;
  options.limits.idle_timeout = kIdleConnection;
  options.limits.connections_per_host = options_.requests;
  SERIN_TRY_ASSIGN(client_, net::Client::create(options));
  options.limits.connections_per_host = 1;
  SERIN_TRY_ASSIGN(probe_client_, net::Client::create(std::move(options)));
  proof_ = std::move(proof);
  watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
  return {};
}

Upstream::~Upstream() {
  closing_.cancel();
  if (!watcher_.joinable()) return;
  watcher_.request_stop();
  watcher_.join();
}

net::ClientRequest Upstream::request(std::string method, std::string_view path) const {
  net::ClientRequest request;
  request.method = std::move(method);
  request.url = address_.remote.url + std::string(path);
  request.timeout = address_.remote.timeout;
  request.cancel = closing_;
  request.headers.add("user-agent", "serin");
  if (!address_.key.empty()) request.headers.add("authorization", "Bearer " + address_.key);
  return request;
}

UpstreamHealth Upstream::probe() {
  net::ClientRequest request = this->request("GET", "");
  request.url = health_url(address_.remote);
  request.timeout = kProbeTimeout;
  return judge_probe(address_.remote, probe_client_->fetch(std::move(request)));
}

void Upstream::watch(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::uint64_t starts = command_starts();
    UpstreamHealth now = probe();
    if (now.up && !health().up && proof_) {
      if (const Status proved = proof_(); !proved)
        now = {false, "its golden request failed: " + proved.error().message};
    }
    std::unique_lock lock(mutex_);
    if (now.up != health_.up || (!now.up && now.reason != health_.reason)) {
      if (now.up) log::info("the upstream is up", {{"url", address_.remote.url}});
      if (!now.up)
        log::warning("the upstream is not up",
                     {{"url", address_.remote.url}, {"reason", now.reason}});
    }
    health_ = std::move(now);
    probed_starts_ = starts;
    changed_.notify_all();
    changed_.wait_for(lock, stop, options_.probe_interval, [this] { return look_; });
    look_ = false;
  }
}

UpstreamHealth Upstream::health() const {
  UpstreamHealth health;
  std::uint64_t probed_starts = 0;
  {
    const std::lock_guard lock(mutex_);
    health = health_;
    probed_starts = probed_starts_;
  }
  if (command_ == nullptr) return health;
  const Instant now = Clock::real().now();
  const CommandView view = command_->view();
  if (std::string why = view.sentence(now); !why.empty()) {
    const auto wait = std::chrono::ceil<milliseconds>(view.next_start - now);
    return {false, std::move(why), std::max(milliseconds(1000), wait)};
  }
  // What answered before is gone.
  if (health.up && view.started != probed_starts)
    return {false, "the command was started again and has not answered yet"};
  return health;
}

Status Upstream::wait_up(milliseconds at_most) const {
  std::unique_lock lock(mutex_);
  if (changed_.wait_for(lock, at_most, [this] { return health_.up; })) return {};
  lock.unlock();
  return fail(Code::kUnavailable, "the upstream did not come up within " +
                                      std::to_string(at_most.count()) + " ms: " + health().reason);
}

void Upstream::look_now() {
  const std::lock_guard lock(mutex_);
  look_ = true;
  changed_.notify_all();
}

std::uint64_t Upstream::command_starts() const {
  return command_ == nullptr ? 0 : command_->view().started;
}

}  // namespace serin::worker
