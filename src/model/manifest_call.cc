// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "model/manifest_sections.h"

namespace serin::model {
namespace {

constexpr std::pair<std::string_view, std::int64_t> kDimensions[] = {{"N", kBatchDimension},
                                                                     {"T", kLoopDimension}};

// "N" first: every argument and result holds one item a row.
Shape read_batched_shape(const Value& value) {
  Shape shape = value.shape(kDimensions);
  if (!value.present()) return shape;
  if (shape.empty() || shape[0] != kBatchDimension) {
    value.wrong("must begin with N, the batch");
  } else if (std::ranges::count(shape, kBatchDimension) > 1) {
    value.wrong("must have N once, as the first dimension");
  } else if (std::ranges::count(shape, kLoopDimension) > 1) {
    value.wrong("must have T at most once");
  }
  return shape;
}

std::string read_tensor_name(const Value& value) {
  std::string name = value.word();
  if (name.size() > 255) value.wrong("must be at most 255 bytes");
  return name;
}

DiffusionLoop read_diffusion(const Value& value) {
  const Fields fields(value, {"kind", "state", "timestep", "prediction", "predicts", "schedule",
                              "steps", "guidance"});
  using Predicts = DiffusionLoop::Predicts;
  using Schedule = DiffusionLoop::Schedule;
  DiffusionLoop loop;
  loop.state = fields.required("state").word();
  loop.timestep = fields.required("timestep").word();
  loop.prediction = fields.required("prediction").word();
  loop.predicts = fields.required("predicts")
                      .one_of<Predicts>({{"velocity", Predicts::kVelocity},
                                         {"epsilon", Predicts::kEpsilon},
                                         {"sample", Predicts::kSample}},
                                        Predicts::kVelocity);
  loop.schedule =
      fields.required("schedule")
          .one_of<Schedule>({{"linear", Schedule::kLinear}, {"cosine", Schedule::kCosine}},
                            Schedule::kLinear);
  if ((loop.schedule == Schedule::kLinear) != (loop.predicts == Predicts::kVelocity)) {
    fields.wrong("schedule", loop.schedule == Schedule::kLinear
                                 ? "linear goes only with predicts: velocity"
                                 : "cosine goes only with predicts: epsilon or sample");
  }
  if (const Value given = fields["steps"]; given.present()) {
    const Fields steps(given, {"default", "min", "max"});
    loop.min_steps = steps["min"].integer(1, 10000, 1);
    loop.max_steps = steps["max"].integer(1, 10000, 100);
    loop.default_steps = steps["default"].integer(1, 10000, 20);
    if (loop.min_steps > loop.max_steps) steps.wrong("min", "must not be greater than max");
    if (loop.default_steps < loop.min_steps || loop.default_steps > loop.max_steps) {
      given.wrong("default (" + std::to_string(loop.default_steps) + ") must lie between min (" +
                  std::to_string(loop.min_steps) + ") and max (" + std::to_string(loop.max_steps) +
                  ")");
    }
  }
  if (const Value given = fields["guidance"]; given.present()) {
    const Fields guidance(given, {"default", "min", "max", "input", "unconditional"});
    DiffusionLoop::Guidance read;
    read.min = guidance["min"].number(0, 1000, 0);
    read.max = guidance["max"].number(0, 1000, 20);
    read.default_value = guidance.required("default").number(0, 1000, 1);
    read.input = guidance.required("input").word();
    read.unconditional = guidance.required("unconditional").word();
    if (read.min > read.max) guidance.wrong("min", "must not be greater than max");
    if (read.default_value < read.min || read.default_value > read.max)
      guidance.wrong("default", "must lie between min and max");
    loop.guidance = std::move(read);
  }
  return loop;
}

AutoregressiveLoop read_autoregressive(const Value& value) {
  const Fields fields(value, {"kind", "slots", "context", "prompt", "tokens", "logits", "begin",
                              "end", "cache", "positions", "lengths", "chunk"});
  constexpr std::int64_t kMostContext = 1 << 24;
  constexpr std::int64_t kMostToken = 1 << 30;
  AutoregressiveLoop loop;
  loop.slots = fields["slots"].integer(1, 4096, 1);
  loop.context = fields.required("context").integer(1, kMostContext, 1);
  loop.prompt = fields.required("prompt").word();
  loop.tokens = fields.required("tokens").word();
  loop.logits = fields.required("logits").word();
  if (fields["begin"].present()) loop.begin = fields["begin"].integer(0, kMostToken);
  for (const Value& item : fields["end"].list()) loop.end.push_back(item.integer(0, kMostToken));
  for (const Value& item : fields["cache"].list()) {
    if (!item.present()) break;
    const Fields pair(item, {"argument", "result"});
    loop.cache.push_back({pair.required("argument").word(), pair.required("result").word()});
  }
  for (const char* name : {"positions", "lengths", "chunk"}) {
    if (loop.cache.empty() && fields.has(name)) fields.wrong(name, "goes only with a cache");
  }
  if (!loop.cache.empty()) {
    loop.positions = fields.required("positions").word();
    loop.lengths = fields.required("lengths").word();
    loop.chunk = fields["chunk"].integer(1, kMostContext, 1);
    if (loop.chunk > loop.context) fields.wrong("chunk", "must not be greater than context");
  }
  return loop;
}

}  // namespace

Call read_call(const Value& value, EngineKind engine) {
  const Fields fields(value, {"method", "arguments", "results"});
  Call call;
  call.method =
      fields["method"].word(engine == EngineKind::kTensorflow ? "serving_default" : "forward");
  const Value arguments = fields.required("arguments");
  for (const Value& item : arguments.list()) {
    if (!item.present()) break;
    const Fields one(item, {"name", "input", "dtype", "shape"});
    Argument argument;
    argument.name = read_tensor_name(one.required("name"));
    argument.input = one["input"].word();
    argument.dtype = one.required("dtype").dtype();
    argument.shape = read_batched_shape(one.required("shape"));
    if (std::ranges::find(call.arguments, argument.name, &Argument::name) != call.arguments.end()) {
      item.wrong("there is already an argument named " + shown(argument.name));
    }
    call.arguments.push_back(std::move(argument));
  }
  if (arguments.present() && call.arguments.empty()) arguments.wrong("must not be empty");
  const Value results = fields.required("results");
  for (const Value& item : results.list()) {
    if (!item.present()) break;
    const Fields one(item, {"name", "dtype", "shape"});
    ResultSpec result;
    result.name = read_tensor_name(one.required("name"));
    result.dtype = one.required("dtype").dtype();
    result.shape = read_batched_shape(one.required("shape"));
    if (std::ranges::find(call.results, result.name, &ResultSpec::name) != call.results.end()) {
      item.wrong("there is already a result named " + shown(result.name));
    }
    call.results.push_back(std::move(result));
  }
  if (results.present() && call.results.empty()) results.wrong("must not be empty");
  return call;
}

Loop read_loop(const Value& value) {
  enum class Kind { kOnce, kDiffusion, kAutoregressive };
  if (!value.present()) return OnceLoop{};
  const json::object* object = value.json().if_object();
  const json::value* named = object == nullptr ? nullptr : object->if_contains("kind");
  if (object != nullptr && named == nullptr) value.wrong("kind is missing");
  const Kind kind = Value(named, value.path() / "kind", value.problems())
                        .one_of<Kind>({{"once", Kind::kOnce},
                                       {"diffusion", Kind::kDiffusion},
                                       {"autoregressive", Kind::kAutoregressive}},
                                      Kind::kOnce);
  switch (kind) {
    case Kind::kDiffusion:
      return read_diffusion(value);
    case Kind::kAutoregressive:
      return read_autoregressive(value);
    case Kind::kOnce:
      break;
  }
  const Fields once(value, {"kind"});
  return OnceLoop{};
}

}  // namespace serin::model
