// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol over gRPC, with Triton's ModelStreamInfer.
#include <deque>

#include "net/grpc/frame.h"
#include "net/http/status.h"
#include "worker/api/predict/grpc_messages.h"
#include "worker/api/routes.h"
#include "worker/lifecycle/readiness.h"

namespace serin::worker::api {
namespace {

using Message = Result<std::optional<std::string>>;

bool is_ready(const Context& context) {
  return readiness(context.engine.state(), context.draining.load(), context.clock.now(),
                   context.options.ready_within)
      .ready;
}

Status check_names(const Context& context, std::string_view model, std::string_view version) {
  if (context.is_model(model) && (version.empty() || version == context.options.version)) return {};
  return fail(
      Error{Code::kNotFound,
            "the model " + std::string(model) + " " + std::string(version) + " is not served here",
            "model_not_found", "model"});
}

void finish(const std::shared_ptr<Call>& call, net::grpc::Call& rpc, const Status& status) {
  call->count_as(status ? 200 : net::http_status(status.error()));
  if (!call->gone()) rpc.finish(status);
}

// A call of one message each way. `answer` may finish later: it gets the message and the rpc to
// finish.
using UnaryHandler = std::function<void(
    const std::shared_ptr<Call>&, const std::shared_ptr<net::grpc::Call>&, const std::string&)>;

CallHandler unary(UnaryHandler answer) {
  return
      [answer = std::move(answer)](const std::shared_ptr<Call>& call, const net::PathParameters&) {
        struct Pending {
          std::shared_ptr<net::grpc::Call> rpc;
          bool answered = false;
        };
        auto pending = std::make_shared<Pending>();
        pending->rpc = net::grpc::Call::accept(
            call->exchange(),
            [call, pending, answer](Message message) {
              if (pending->answered) return;
              pending->answered = true;
              const auto rpc = std::move(pending->rpc);  // else it would hold itself
              if (!message || !*message) {
                return finish(call, *rpc,
                              message ? Status(invalid("the call has no message"))
                                      : Status(serin::fail(message.error())));
              }
              // Weak: the Call must not hold what holds the Call.
              call->fail_by([weak = std::weak_ptr(rpc)](Call& failed, const Error& error) {
                const auto held = weak.lock();
                if (held) finish(failed.shared_from_this(), *held, serin::fail(error));
              });
              answer(call, rpc, **message);
            },
            call->context().options.server.limits.body_bytes);
      };
}

// Handlers that know their answer at once.
CallHandler at_once(std::function<Result<std::string>(const Context&, const std::string&)> answer) {
  return unary([answer = std::move(answer)](const std::shared_ptr<Call>& call,
                                            const std::shared_ptr<net::grpc::Call>& rpc,
                                            const std::string& message) {
    auto bytes = answer(call->context(), message);
    if (!bytes) return call->fail(bytes.error());
    rpc->send(*bytes);
    finish(call, *rpc, {});
  });
}

Result<std::string> model_ready(const Context& context, const std::string& message) {
  SERIN_TRY_ASSIGN(const auto model, read_model_name(message));
  SERIN_TRY(check_names(context, model.name, model.version));
  return write_flag(is_ready(context));
}

Result<std::string> model_metadata(const Context& context, const std::string& message) {
  SERIN_TRY_ASSIGN(const auto model, read_model_name(message));
  SERIN_TRY(check_names(context, model.name, model.version));
  return write_model_metadata(context);
}

Result<std::vector<engine::Request>> read_requests(Call& call, const std::string& message,
                                                   GrpcInfer& infer) {
  SERIN_TRY_ASSIGN(infer, read_model_infer(message));
  SERIN_TRY(check_names(call.context(), infer.model, infer.version));
  return infer_requests(call, infer.request);
}

void model_infer(const std::shared_ptr<Call>& call, const std::shared_ptr<net::grpc::Call>& rpc,
                 const std::string& message) {
  auto infer = std::make_shared<GrpcInfer>();
  auto requests = read_requests(*call, message, *infer);
  if (!requests) return call->fail(requests.error());
  generate(call, *std::move(requests), [call, rpc, infer](const std::vector<Answer>& answers) {
    const Context& context = call->context();
    auto response = infer_response(context, infer->request, answers);
    if (!response) return call->fail(response.error());
    rpc->send(write_model_infer(*response, context.service(), context.options.version));
    finish(call, *rpc, {});
  });
}

// A stream of requests, answered in their order; text comes token by token, the last message of
// each answer marked.
class InferStream : public std::enable_shared_from_this<InferStream> {
 public:
  explicit InferStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  void accept() {
    rpc_ = net::grpc::Call::accept(
        call_->exchange(),
        [self = shared_from_this()](Message message) { self->take(std::move(message)); },
        call_->context().options.server.limits.body_bytes);
  }

 private:
  // The answers of one message, a row each.
  struct Rows {
    std::vector<Answer> answers;
    std::size_t missing;
  };

  void take(Message message) {
    if (ended_) return;
    if (!message) return end(serin::fail(message.error()));
    if (*message) {
      if (waiting_.size() >= call_->context().options.choices) {
        return end(serin::fail(Error{Code::kResourceExhausted,
                                     "too many requests wait on this stream", "queue_full"}));
      }
      waiting_.push_back(**std::move(message));
    } else {
      closed_ = true;
    }
    next();
  }

  void next() {
    if (running_ || ended_) return;
    if (waiting_.empty()) {
      if (closed_) end({});
      return;
    }
    const std::string message = std::move(waiting_.front());
    waiting_.pop_front();
    run(message);
  }

  void run(const std::string& message) {
    auto infer = std::make_shared<GrpcInfer>();
    auto requests = read_requests(*call_, message, *infer);
    if (!requests) return refuse(requests.error());
    running_ = true;
    auto rows =
        std::make_shared<Rows>(Rows{std::vector<Answer>(requests->size()), requests->size()});
    auto self = shared_from_this();
    const auto admitted = stream(call_, *std::move(requests),
                                 [self, infer, rows](std::size_t place, engine::Event event) {
                                   if (!self->ended_)
                                     self->take_event(*infer, *rows, place, std::move(event));
                                 });
    if (!admitted) end(admitted);  // the refusal has cancelled the whole Call
  }

  void take_event(const GrpcInfer& infer, Rows& rows, std::size_t place, engine::Event event) {
    if (auto* failed = std::get_if<engine::Failed>(&event)) {
      end(serin::fail(failed->error));
    } else if (auto* token = std::get_if<engine::Token>(&event)) {
      send_token(infer, place, *token);
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      rows.answers[place].finished = std::move(*finished);
      if (--rows.missing == 0) send_last(infer, rows.answers);
    }
  }

  void send_token(const GrpcInfer& infer, std::size_t place, const engine::Token& token) {
    const Context& context = call_->context();
    const InferTensor text{
        context.package.manifest.outputs.front().name, "BYTES", {1}, {}, {token.text}};
    InferTensor row{"row", "INT64", {1}};
    const auto number = static_cast<std::int64_t>(place);
    row.bytes.assign(reinterpret_cast<const char*>(&number), sizeof(number));
    rpc_->send(
        write_stream_infer({}, write_model_infer({infer.request.id, {text, row}}, context.service(),
                                                 context.options.version)));
  }

  void send_last(const GrpcInfer& infer, const std::vector<Answer>& answers) {
    const Context& context = call_->context();
    const auto response = infer_response(context, infer.request, answers);
    if (!response) return end(serin::fail(response.error()));
    rpc_->send(write_stream_infer(
        {}, write_model_infer(*response, context.service(), context.options.version, true)));
    running_ = false;
    next();
  }

  // A bad request does not end the stream: its place in the order is taken by the error.
  void refuse(const Error& error) {
    rpc_->send(write_stream_infer(error.message, {}));
    next();
  }

  void end(const Status& status) {
    if (std::exchange(ended_, true)) return;
    waiting_.clear();
    finish(call_, *std::exchange(rpc_, nullptr), status);
    call_->cancel();  // what still runs for this stream has nobody to answer
  }

  std::shared_ptr<Call> call_;
  std::shared_ptr<net::grpc::Call> rpc_;
  std::deque<std::string> waiting_;
  bool running_ = false;
  bool closed_ = false;
  bool ended_ = false;
};

}  // namespace

std::vector<Route> grpc_routes() {
  auto live = at_once(
      [](const Context&, const std::string&) -> Result<std::string> { return write_flag(true); });
  auto ready = at_once([](const Context& context, const std::string&) -> Result<std::string> {
    return write_flag(is_ready(context));
  });
  auto server = at_once([](const Context& context, const std::string&) -> Result<std::string> {
    return write_server_metadata(context.options.version);
  });
  auto streamed = [](const std::shared_ptr<Call>& call, const net::PathParameters&) {
    std::make_shared<InferStream>(call)->accept();
  };
  const std::string service = "/inference.GRPCInferenceService/";
  return {{"POST", service + "ServerLive", live, true},
          {"POST", service + "ServerReady", ready, true},
          {"POST", service + "ModelReady", at_once(model_ready), true},
          {"POST", service + "ServerMetadata", server},
          {"POST", service + "ModelMetadata", at_once(model_metadata)},
          {"POST", service + "ModelInfer", unary(model_infer)},
          {"POST", service + "ModelStreamInfer", streamed}};
}

}  // namespace serin::worker::api
