// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol over gRPC, with Triton's ModelStreamInfer.
#include <deque>

#include "net/grpc/frame.h"
#include "net/http/error_body.h"
#include "net/http/status.h"
#include "worker/api/predict/grpc_messages.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

using Message = Result<std::optional<std::string>>;

void finish(const std::shared_ptr<Call>& call, net::grpc::Call& rpc, const Status& status) {
  if (call->over()) return;
  call->settle(status ? 200 : net::http_status(status.error()));
  rpc.finish(status);
}

// A call of one message each way. `answer` may finish later: it gets the message and the rpc to
// finish.
using UnaryHandler = std::function<void(const std::shared_ptr<Call>&,
                                        const std::shared_ptr<net::grpc::Call>&, std::string)>;

CallHandler unary(UnaryHandler answer) {
  struct Pending {
    std::shared_ptr<net::grpc::Call> rpc;
    bool answered = false;
  };
  auto take = [answer = std::move(answer)](const std::shared_ptr<Call>& call, Pending& pending,
                                           Message message) {
    if (std::exchange(pending.answered, true)) return;
    const auto rpc = std::move(pending.rpc);  // else it would hold itself
    // Weak: the Call must not hold what holds the Call.
    call->fail_by([weak = std::weak_ptr(rpc)](Call& failed, const Error& error) {
      const auto held = weak.lock();
      if (held) finish(failed.shared_from_this(), *held, serin::fail(error));
    });
    if (!message) return call->fail(message.error());
    if (!*message) return call->fail({Code::kInvalidArgument, "the call has no message"});
    answer(call, rpc, **std::move(message));
  };
  return [take](const std::shared_ptr<Call>& call, const net::PathParameters&) {
    auto pending = std::make_shared<Pending>();
    pending->rpc = net::grpc::Call::accept(
        call->exchange(),
        [call, pending, take](Message message) {
          call->guarded([&] { take(call, *pending, std::move(message)); });
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
  return write_flag(context.readiness().ready);
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

// What answers a whole message, and the name of the last one on a stream.
Result<std::string> write_answers(const Call& call, const InferRequest& request,
                                  const std::vector<Answer>& answers, bool last) {
  const Context& context = call.context();
  SERIN_TRY_ASSIGN(const auto response, infer_response(call, request, answers));
  return write_model_infer(response, context.service(), context.options.version, last);
}

void model_infer(const std::shared_ptr<Call>& call, const std::shared_ptr<net::grpc::Call>& rpc,
                 std::string message) {
  auto infer = std::make_shared<GrpcInfer>();
  const std::size_t bytes = message.size();
  auto understand = [call, infer, message = std::move(message)] {
    return read_requests(*call, message, *infer);
  };
  auto run = [call, rpc, infer](std::vector<engine::Request> requests) {
    generate(call, std::move(requests), [call, rpc, infer](std::vector<Answer> answers) {
      const bool quick = quick_to_write(answers);
      auto write = [call, infer, answers = std::move(answers)] {
        return write_answers(*call, infer->request, answers, false);
      };
      call->answer(quick, std::move(write), [call, rpc](const std::string& bytes) {
        rpc->send(bytes);
        finish(call, *rpc, {});
      });
    });
  };
  call->make(bytes, std::move(understand), std::move(run));
}

// A stream of requests, answered one after the other in their order; text comes token by token, the
// last message of each answer marked. While some wait no more are read.
class InferStream : public std::enable_shared_from_this<InferStream> {
 public:
  explicit InferStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  void accept() {
    rpc_ = net::grpc::Call::accept(
        call_->exchange(),
        [self = shared_from_this()](Message message) {
          self->call_->guarded([&] { self->take(std::move(message)); });
        },
        call_->context().options.server.limits.body_bytes);
    // Weak: the Call must not hold what holds the Call.
    call_->fail_by([weak = weak_from_this()](Call&, const Error& error) {
      if (const auto self = weak.lock()) self->end(serin::fail(error));
    });
  }

 private:
  struct Waiting {
    Instant came;
    std::string message;
  };
  // The answers of one message, a row each.
  struct Rows {
    std::vector<Answer> answers;
    std::size_t missing;
  };
  using Requests = std::vector<engine::Request>;

  void take(Message message) {
    if (ended_) return;
    if (!message) return end(serin::fail(message.error()));
    if (*message) {
      waiting_.push_back({call_->context().clock.now(), **std::move(message)});
    } else {
      closed_ = true;
    }
    next();
  }

  void next() {
    if (std::exchange(advancing_, true)) return;  // further down in this loop
    while (!ended_ && !running_ && !waiting_.empty()) {
      running_ = true;
      Waiting first = std::move(waiting_.front());
      waiting_.pop_front();
      run(std::move(first));
    }
    advancing_ = false;
    if (ended_) return;
    call_->exchange()->pause_pieces(running_ && !waiting_.empty());
    if (closed_ && !running_) end({});
  }

  // The worker's own limit of time and the first token's count from the message; grpc-timeout is
  // the stream's, as gRPC has it.
  void run(Waiting waiting) {
    call_->begin(waiting.came);
    const std::size_t bytes = running_bytes_ = waiting.message.size();
    auto infer = std::make_shared<GrpcInfer>();
    auto self = shared_from_this();
    // A bad request does not end the stream: it is a part of what there is to answer.
    auto understand = [self, infer,
                       message = std::move(waiting.message)]() -> Result<Result<Requests>> {
      return read_requests(*self->call_, message, *infer);
    };
    auto run = [self, infer](Result<Requests> requests) {
      if (self->ended_) return;
      if (!requests) return self->refuse(requests.error());
      self->generate(infer, *std::move(requests));
    };
    call_->make(bytes, std::move(understand), std::move(run));
  }

  void generate(const std::shared_ptr<GrpcInfer>& infer, Requests requests) {
    auto rows = std::make_shared<Rows>(Rows{std::vector<Answer>(requests.size()), requests.size()});
    const auto admitted =
        stream(call_, std::move(requests),
               [self = shared_from_this(), infer, rows](std::size_t place, engine::Event event) {
                 if (self->ended_) return;
                 self->take_event(infer, *rows, place, std::move(event));
               });
    if (!admitted) end(admitted);  // the refusal has cancelled the whole Call
  }

  void take_event(const std::shared_ptr<GrpcInfer>& infer, Rows& rows, std::size_t place,
                  engine::Event event) {
    if (auto* failed = std::get_if<engine::Failed>(&event)) {
      end(serin::fail(failed->error));
    } else if (auto* token = std::get_if<engine::Token>(&event)) {
      send_token(*infer, place, *token);
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      rows.answers[place].finished = std::move(*finished);
      if (--rows.missing == 0) send_last(infer, std::move(rows.answers));
    }
  }

  void send_token(const GrpcInfer& infer, std::size_t place, const engine::Token& token) {
    const Context& context = call_->context();
    const InferTensor text{
        context.package.manifest.outputs.front().name, "BYTES", {1}, {}, {token.text}};
    InferTensor row{"row", "INT64", {1}};
    const auto number = static_cast<std::int64_t>(place);
    row.bytes.assign(reinterpret_cast<const char*>(&number), sizeof(number));
    send(write_stream_infer({}, write_model_infer({infer.request.id, {text, row}},
                                                  context.service(), context.options.version)));
  }

  void send_last(const std::shared_ptr<GrpcInfer>& infer, std::vector<Answer> answers) {
    const bool quick = quick_to_write(answers);
    auto write = [self = shared_from_this(), infer, answers = std::move(answers)] {
      return write_answers(*self->call_, infer->request, answers, true);
    };
    call_->answer(quick, std::move(write), [self = shared_from_this()](const std::string& bytes) {
      if (self->ended_) return;
      self->send(write_stream_infer({}, bytes));
      self->answered();
    });
  }

  void refuse(const Error& error) {
    call_->context().metrics.failed(net::error_code(error));
    send(write_stream_infer(error.message, {}));
    answered();
  }

  void answered() {
    running_ = false;
    call_->exchange()->give_back(running_bytes_);
    next();
  }

  void send(const std::string& message) {
    rpc_->send(message);
    call_->bound_unsent();
    if (call_->gone()) forget();
  }

  void end(const Status& status) {
    if (ended_) return;
    finish(call_, *rpc_, status);
    forget();
    call_->cancel();  // what still runs for this stream has nobody to answer
  }

  // The rpc and this hold each other.
  void forget() {
    ended_ = true;
    waiting_.clear();
    rpc_ = nullptr;
  }

  std::shared_ptr<Call> call_;
  std::shared_ptr<net::grpc::Call> rpc_;
  std::deque<Waiting> waiting_;
  bool running_ = false;
  std::size_t running_bytes_ = 0;  // of the message
  bool advancing_ = false;
  bool closed_ = false;
  bool ended_ = false;
};

}  // namespace

std::vector<Route> grpc_routes() {
  auto live = at_once(
      [](const Context&, const std::string&) -> Result<std::string> { return write_flag(true); });
  auto ready = at_once([](const Context& context, const std::string&) -> Result<std::string> {
    return write_flag(context.readiness().ready);
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
