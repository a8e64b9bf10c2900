// SPDX-License-Identifier: Apache-2.0
#include "engine/golden.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "engine/dtypes.h"
#include "engine/loaded_package.h"
#include "engine/request_errors.h"

namespace serin::engine {
namespace {

std::string name_of_golden(std::size_t index) { return "golden request " + std::to_string(index); }

tl::unexpected<Error> differs(std::size_t index, const std::string& output, std::string how) {
  return fail(Code::kFailedPrecondition,
              name_of_golden(index) + ": " + output + " " + std::move(how));
}

Status compare_text(std::size_t index, const std::string& output, const std::string& expected,
                    const std::string& given) {
  if (expected == given) return {};
  const auto place = std::ranges::mismatch(expected, given).in1 - expected.begin();
  return differs(index, output,
                 "is " + shown(given) + ", not " + shown(expected) + ": the texts part at byte " +
                     std::to_string(place));
}

Status compare_tensor(std::size_t index, const std::string& output, const Tensor& expected,
                      const Tensor& given, double tolerance) {
  if (expected.shape() != given.shape()) {
    return differs(index, output,
                   "has the shape " + serin::to_string(given.shape()) + ", not " +
                       serin::to_string(expected.shape()));
  }
  double largest = -1;
  std::size_t place = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(given.elements()); ++i) {
    const double difference = std::abs(load(given, i) - load(expected, i));
    if (difference <= largest) continue;  // a NaN compares false and counts as the largest
    largest = difference;
    place = i;
    if (std::isnan(difference)) break;
  }
  if (largest <= tolerance) return {};
  return differs(index, output,
                 "differs by " + shown(largest) + " at index " + std::to_string(place) +
                     "; the tolerance is " + shown(tolerance));
}

GoldenOutputs outputs_of(const model::Manifest& manifest, Finished finished) {
  GoldenOutputs outputs;
  for (const auto& output : manifest.outputs) {
    if (std::holds_alternative<model::TextOutput>(output.kind)) {
      outputs[output.name] = finished.text;
    } else {
      outputs[output.name] = finished.outputs[output.name];
    }
  }
  return outputs;
}

// Whether a second run gave what the first did.
Status compare_runs(const model::Golden& golden, std::size_t index, const GoldenOutputs& first,
                    const GoldenOutputs& second) {
  for (const auto& [output, value] : first) {
    const auto& again = second.at(output);
    const auto* text = std::get_if<std::string>(&value);
    auto same = text ? compare_text(index, output, *text, std::get<std::string>(again))
                     : compare_tensor(index, output, std::get<Tensor>(value),
                                      std::get<Tensor>(again), golden.tolerance);
    if (same) continue;
    same.error().message += ": a second run of the same request gives something else. ";
    same.error().message +=
        golden.request.contains("seed")
            ? "The model draws random numbers itself, such as randn or a dropout that eval() would "
              "have ended; noise must come in as an input of the kind noise"
            : "Give it a seed";
    return same;
  }
  return {};
}

// Runs a request for the last label that is otherwise the first golden one.
Status check_label(const model::Package& package, const RequestParser& parser, Loop& loop,
                   const model::Input& input, const std::vector<std::string>& labels) {
  json::object fields = package.manifest.golden.empty() ? json::object{{"seed", 0}}
                                                        : package.manifest.golden.front().request;
  fields[input.name] = labels.back();
  auto request = parser.parse(fields);
  if (!request) return {};  // it needs what no golden request gives
  std::vector<Request> requests;
  requests.push_back(*std::move(request));
  const auto outcome = std::move(run_together(loop, std::move(requests)).front());
  if (outcome) return {};
  return fail(Code::kFailedPrecondition,
              input.name + ": the model does not take " + shown(labels.back()) + ", the last of " +
                  std::to_string(labels.size()) + " labels: " + outcome.error().message +
                  ". Are there as many in model.yaml as the model knows?");
}

}  // namespace

Result<std::vector<GoldenOutputs>> run_golden(const model::Package& package,
                                              const RequestParser& parser, Loop& loop) {
  std::vector<GoldenOutputs> all;
  for (std::size_t i = 0; i < package.manifest.golden.size(); ++i) {
    auto request = parser.parse(package.manifest.golden[i].request);
    if (!request) return fail(std::move(request).error().within(name_of_golden(i)));
    std::vector<Request> requests;
    requests.push_back(*std::move(request));
    auto outcome = std::move(run_together(loop, std::move(requests)).front());
    if (!outcome) return fail(std::move(outcome).error().within(name_of_golden(i)));
    all.push_back(outputs_of(package.manifest, std::move(outcome->finished)));
  }
  return all;
}

Status compare_golden(const model::Package& package, std::size_t index,
                      const GoldenOutputs& given) {
  const auto& golden = package.manifest.golden[index];
  for (const auto& [output, expected] : golden.expect) {
    const auto found = given.find(output);
    if (found == given.end()) return differs(index, output, "is not an output");
    if (const auto* text = std::get_if<std::string>(&found->second)) {
      SERIN_TRY(compare_text(index, output, expected, *text));
      continue;
    }
    SERIN_TRY_ASSIGN(const std::string bytes, read_file(package.file(expected)));
    auto tensor = parse_npy(bytes);
    if (!tensor) return fail(std::move(tensor).error().within(expected));
    SERIN_TRY(
        compare_tensor(index, output, *tensor, std::get<Tensor>(found->second), golden.tolerance));
  }
  return {};
}

Status check_golden(const model::Package& package, const RequestParser& parser, Loop& loop) {
  SERIN_TRY_ASSIGN(const auto all, run_golden(package, parser, loop));
  for (std::size_t i = 0; i < all.size(); ++i) SERIN_TRY(compare_golden(package, i, all[i]));
  return {};
}

std::optional<Request> smallest_golden(const model::Package& package, const RequestParser& parser,
                                       const Loop& loop) {
  std::optional<Request> smallest;
  for (const auto& golden : package.manifest.golden) {
    auto request = parser.parse(golden.request);
    if (!request) continue;
    if (!smallest || loop.cost_of(*request) < loop.cost_of(*smallest))
      smallest = *std::move(request);
  }
  if (smallest) return smallest;
  auto request = parser.parse({{"seed", 0}});
  if (!request) return std::nullopt;
  return *std::move(request);
}

Status check_labels(const model::Package& package, const RequestParser& parser, Loop& loop) {
  for (const model::Input& input : package.manifest.inputs) {
    const auto* label = std::get_if<model::LabelInput>(&input.kind);
    if (label == nullptr) continue;
    const bool named = std::ranges::any_of(package.manifest.golden, [&](const auto& golden) {
      const json::value* value = golden.request.if_contains(input.name);
      return value != nullptr && value->is_string() && value->get_string() == label->labels.back();
    });
    if (!named) SERIN_TRY(check_label(package, parser, loop, input, label->labels));
  }
  return {};
}

Status verify_golden(const model::Package& package, const EngineOptions& options) {
  SERIN_TRY_ASSIGN(const auto loaded, load_package(package, options, Clock::real(), nullptr));
  SERIN_TRY(check_golden(package, *loaded.parser, *loaded.loop));
  return check_labels(package, *loaded.parser, *loaded.loop);
}

Result<std::vector<GoldenOutputs>> record_golden(const model::Package& package,
                                                 const EngineOptions& options) {
  SERIN_TRY_ASSIGN(const auto loaded, load_package(package, options, Clock::real(), nullptr));
  return record_golden(package, *loaded.parser, *loaded.loop);
}

Result<std::vector<GoldenOutputs>> record_golden(const model::Package& package,
                                                 const RequestParser& parser, Loop& loop) {
  SERIN_TRY_ASSIGN(auto first, run_golden(package, parser, loop));
  SERIN_TRY_ASSIGN(const auto second, run_golden(package, parser, loop));
  for (std::size_t i = 0; i < first.size(); ++i)
    SERIN_TRY(compare_runs(package.manifest.golden[i], i, first[i], second[i]));
  SERIN_TRY(check_labels(package, parser, loop));
  return first;
}

Result<model::Package> write_golden(const model::Package& package,
                                    const std::vector<GoldenOutputs>& recorded) {
  std::vector<model::Golden> golden = package.manifest.golden;
  SERIN_CHECK(!golden.empty() && golden.size() == recorded.size());
  std::error_code failed;
  std::filesystem::create_directories(package.root / "golden", failed);
  if (failed)
    return fail(Code::kUnknown, (package.root / "golden").string() + ": " + failed.message());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    golden[i].expect.clear();
    for (const auto& [output, value] : recorded[i]) {
      if (const auto* text = std::get_if<std::string>(&value)) {
        golden[i].expect.emplace_back(output, *text);
        continue;
      }
      const std::string path = "golden/" + std::to_string(i) + "." + output + ".npy";
      SERIN_TRY_ASSIGN(const auto bytes, to_npy(std::get<Tensor>(value)));
      SERIN_TRY(write_file(package.root / path, bytes));
      golden[i].expect.emplace_back(output, path);
    }
  }
  SERIN_TRY_ASSIGN(const auto yaml, read_file(package.root / "model.yaml"));
  SERIN_TRY_ASSIGN(const auto written, model::replace_golden(yaml, golden));
  SERIN_TRY(write_file(package.root / "model.yaml", written));
  return model::seal_package(package.root);
}

}  // namespace serin::engine
