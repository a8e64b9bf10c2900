// SPDX-License-Identifier: Apache-2.0
// The shared object's one door: packages whose tensors go to a server that speaks the Open
// Inference Protocol v2.
#include <future>
#include <utility>

#include "backends/call_check.h"
#include "backends/remote/v2_codec.h"
#include "net/http/client.h"
#include "net/http/status.h"

namespace serin::backends {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kHeaderLength = "inference-header-content-length";
constexpr std::size_t kAnswerBytes = 256 * 1024 * 1024;
constexpr milliseconds kMetadataTimeout{10'000};
constexpr milliseconds kLook{20};  // how late a call that nobody waits for ends

// The upstream as one model of this protocol. For any thread.
class Server {
 public:
  static Result<Server> connect(engine::Upstream upstream) {
    net::ClientOptions options;
    options.limits.body_bytes = kAnswerBytes;
    options.limits.connections_per_host = upstream.remote.concurrency;
    options.addresses = upstream.addresses;
    SERIN_TRY_ASSIGN(auto client, net::Client::create(std::move(options)));
    return Server(std::move(upstream), std::move(client));
  }

  // Any answer below 300; others as the caller's caller should see them.
  Result<net::Response> send(net::ClientRequest request, std::string_view path,
                             const engine::Abandoned& abandoned) {
    request.url = upstream_.remote.url + std::string(path);
    if (!upstream_.key.empty()) request.headers.set("authorization", "Bearer " + upstream_.key);
    const CancelToken cancel = request.cancel;
    auto answer =
        std::async(std::launch::async, [&] { return client_->fetch(std::move(request)); });
    while (answer.wait_for(kLook) != std::future_status::ready) {
      if (abandoned && abandoned()) cancel.cancel();
    }
    Result<net::Response> response = answer.get();
    if (!response) return fail(of_transport(std::move(response).error()));
    if (response->status >= 300) return fail(of_status(*response));
    return response;
  }

  Result<net::Response> get(std::string_view path) {
    net::ClientRequest request;
    request.timeout = kMetadataTimeout;
    return send(std::move(request), path, {});
  }

  std::string model_path() const { return "/v2/models/" + upstream_.remote.model; }
  milliseconds timeout() const { return upstream_.remote.timeout; }
  std::size_t calls_at_once() const { return upstream_.remote.concurrency; }

 private:
  Server(engine::Upstream upstream, std::unique_ptr<net::Client> client)
      : upstream_(std::move(upstream)), client_(std::move(client)) {}

  static Error of_transport(Error error) {
    error.message.insert(0, "upstream: ");
    if (error.code == Code::kResourceExhausted) error.code = Code::kInternal;  // a huge answer
    if (error.code == Code::kAborted) error.code = Code::kUnavailable;
    if (error.code == Code::kUnavailable) error.retry_after = milliseconds(1000);
    if (error.code == Code::kInternal) error.reason = "bad_upstream";
    return error;
  }

  static Error of_status(const net::Response& response) {
    const std::string said = v2::error_message(response.body);
    Error error{net::code_of_http_status(response.status),
                "the upstream answered " + std::to_string(response.status) +
                    (said.empty() ? "" : ": " + said),
                "upstream_error"};
    if (error.code == Code::kUnavailable || error.code == Code::kResourceExhausted)
      error.retry_after = milliseconds(1000);
    const bool ours = response.status == 401 || response.status == 403 || response.status < 400;
    if (ours) error = {Code::kInternal, error.message, "bad_upstream"};
    return error;
  }

  engine::Upstream upstream_;
  std::unique_ptr<net::Client> client_;
};

// A cache that travels: the server keeps nothing between calls.
class HostState final : public engine::State {
 public:
  std::vector<engine::Model::Carry> pairs;
  std::int64_t batch = 0;
  std::vector<Tensor> values;  // as pairs
};

class RemoteModel final : public engine::Model {
 public:
  RemoteModel(Server server, model::Call call, bool binary)
      : server_(std::move(server)), call_(std::move(call)), binary_(binary) {}

  std::size_t calls_at_once() const override { return server_.calls_at_once(); }

  Result<std::unique_ptr<engine::State>> make_state(std::span<const Carry> pairs,
                                                    std::int64_t batch) override {
    SERIN_TRY(check_carry(call_, pairs));
    auto state = std::make_unique<HostState>();
    state->pairs.assign(pairs.begin(), pairs.end());
    state->batch = batch;
    for (const Carry& pair : pairs) {
      const model::Argument& argument = call_.arguments[pair.argument];
      SERIN_TRY_ASSIGN(Shape shape, concrete_shape(argument.shape, {batch, {}}));
      state->values.emplace_back(argument.dtype, std::move(shape));
    }
    return state;
  }

  Result<std::vector<Tensor>> run(std::span<const Tensor> arguments, engine::State* state,
                                  const engine::Abandoned& abandoned) override {
    auto* carried = static_cast<HostState*>(state);
    std::vector<bool> fed(call_.arguments.size());
    if (carried != nullptr)
      for (const Carry& pair : carried->pairs) fed[pair.argument] = true;
    const Dimensions known{carried != nullptr ? std::optional(carried->batch) : std::nullopt, {}};
    SERIN_TRY_ASSIGN(const Dimensions dimensions, check_arguments(call_, arguments, fed, known));
    std::vector<Tensor> all(arguments.begin(), arguments.end());
    for (std::size_t i = 0; carried != nullptr && i < carried->pairs.size(); ++i)
      all[carried->pairs[i].argument] = carried->values[i];
    SERIN_TRY_ASSIGN(std::vector<Tensor> results, infer(all, abandoned));
    for (std::size_t i = 0; i < results.size(); ++i)
      SERIN_TRY(check_result(call_.results[i], results[i].dtype(), results[i].shape(), dimensions));
    for (std::size_t i = 0; carried != nullptr && i < carried->pairs.size(); ++i)
      carried->values[i] = std::exchange(results[carried->pairs[i].result], Tensor());
    return results;
  }

  std::uint64_t device_memory_bytes() const override { return 0; }

 private:
  Result<std::vector<Tensor>> infer(std::span<const Tensor> arguments,
                                    const engine::Abandoned& abandoned) {
    v2::Body body = v2::write_request(call_, arguments, binary_);
    net::ClientRequest request;
    request.method = "POST";
    request.timeout = server_.timeout();
    request.headers.add("content-type", binary_ ? "application/octet-stream" : "application/json");
    if (body.header_bytes) request.headers.add(kHeaderLength, std::to_string(*body.header_bytes));
    request.body = std::move(body.bytes);
    SERIN_TRY_ASSIGN(const net::Response answer,
                     server_.send(std::move(request), server_.model_path() + "/infer", abandoned));
    std::optional<std::size_t> header_bytes;
    if (const auto field = answer.headers.find(kHeaderLength))
      header_bytes = std::strtoull(std::string(*field).c_str(), nullptr, 10);
    return v2::read_answer(call_, answer.body, header_bytes);
  }

  Server server_;
  model::Call call_;
  bool binary_;
};

class RemoteBackend final : public engine::Backend {
 public:
  std::string version() const override { return "remote 2.0"; }  // of the protocol

  Result<std::vector<engine::Signature>> inspect(const std::filesystem::path&) override {
    return invalid("a remote package has no model of its own to look at");
  }

  Result<std::unique_ptr<engine::Model>> load(const engine::LoadOptions& options) override {
    if (!options.upstream) return invalid("no upstream was given");
    SERIN_TRY_ASSIGN(Server server, Server::connect(*options.upstream));
    SERIN_TRY_ASSIGN(const net::Response metadata, server.get(server.model_path()));
    SERIN_TRY_ASSIGN(const engine::Signature signature, v2::read_metadata(metadata.body));
    SERIN_TRY(v2::check_call(options.call, signature));
    const auto about = server.get("/v2");
    const bool binary = about && v2::has_binary_extension(about->body);
    return std::make_unique<RemoteModel>(std::move(server), options.call, binary);
  }
};

}  // namespace
}  // namespace serin::backends

extern "C" __attribute__((visibility("default"))) serin::engine::Backend* serin_create_backend(
    serin::log::Settings log) {
  serin::log::configure(log);
  return new serin::backends::RemoteBackend();
}
