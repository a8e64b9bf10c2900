// SPDX-License-Identifier: Apache-2.0
#include "engine/golden.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "engine/fake_model.h"
#include "engine/loaded_package.h"

namespace serin::engine {
namespace {

using namespace fake;

LoadedPackage loaded(const model::Package& package, FakeModel::Function function) {
  return load_package_with(package, parser_of(package),
                           std::make_unique<FakeModel>(std::move(function)), Clock::real(), nullptr)
      .value();
}

// One label in, its index out; the model knows `known` of them.
FakeModel::Function knows(float known) {
  return [known](std::span<const Tensor> arguments,
                 std::vector<std::uint64_t>&) -> Result<std::vector<Tensor>> {
    Tensor y(DType::kFloat32, arguments[0].shape());
    for (std::size_t i = 0; i < static_cast<std::size_t>(y.elements()); ++i) {
      const auto index = static_cast<float>(load(arguments[0], i));
      if (index >= known) return fail(Code::kInternal, "index out of range");
      y.mutable_values<float>()[i] = index;
    }
    return std::vector<Tensor>{y};
  };
}

model::Package label_package() {
  model::Package package = number_package({2});
  model::LabelInput colour;
  colour.labels = {"red", "green", "black"};
  package.manifest.inputs = {{"x", "", colour}};
  package.manifest.call.arguments[0].dtype = DType::kInt64;
  package.manifest.golden = {{json::object{{"x", "red"}, {"seed", 1}}, {}, 1e-3}};
  return package;
}

TEST(RecordGolden, GivesWhatTheModelGives) {
  model::Package package = number_package({2});
  package.manifest.golden = {{json::object{{"x", 3}, {"seed", 0}}, {}, 1e-3}};
  const auto model = loaded(package, by_row([](float x) { return x * x; }));
  const auto given = record_golden(package, *model.parser, *model.loop);
  ASSERT_TRUE(given) << given.error().message;
  ASSERT_EQ(given->size(), 1U);
  EXPECT_EQ(std::get<Tensor>(given->front().at("y")).values<float>()[0], 9.0f);
}

TEST(RecordGolden, RefusesAModelThatDrawsItsOwnRandomNumbers) {
  model::Package package = number_package({2});
  package.manifest.golden = {{json::object{{"x", 3}, {"seed", 0}}, {}, 0.5}};
  float drift = 0;
  const auto drifting = loaded(package, by_row([&](float x) { return x + (drift += 1); }));
  const auto refused = record_golden(package, *drifting.parser, *drifting.loop);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_NE(refused.error().message.find("golden request 0: y differs by 2"), std::string::npos)
      << refused.error().message;
  EXPECT_NE(refused.error().message.find("noise must come in as an input"), std::string::npos);
  package.manifest.golden[0].request.erase("seed");
  EXPECT_NE(record_golden(package, *drifting.parser, *drifting.loop)
                .error()
                .message.find("gives something else. Give it a seed"),
            std::string::npos);
  float breath = 0;
  const auto steady = loaded(package, by_row([&](float x) { return x + (breath += 0.01f); }));
  EXPECT_TRUE(record_golden(package, *steady.parser, *steady.loop));  // within the tolerance
}

TEST(CheckLabels, RefusesMoreLabelsThanTheModelKnows) {
  const model::Package package = label_package();
  const auto few = loaded(package, knows(2));
  const auto refused = record_golden(package, *few.parser, *few.loop);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "x: the model does not take \"black\", the last of 3 labels: index out of range. Are "
            "there as many in model.yaml as the model knows?");
  const auto enough = loaded(package, knows(3));
  EXPECT_TRUE(record_golden(package, *enough.parser, *enough.loop));
}

TEST(CheckLabels, RunsNothingMoreForALabelThatAGoldenRequestNames) {
  model::Package package = label_package();
  package.manifest.golden.push_back({json::object{{"x", "black"}, {"seed", 1}}, {}, 1e-3});
  int calls = 0;
  const auto counting =
      loaded(package, [&, three = knows(3)](std::span<const Tensor> arguments, auto& rows) {
        ++calls;
        return three(arguments, rows);
      });
  EXPECT_TRUE(check_labels(package, *counting.parser, *counting.loop));
  EXPECT_EQ(calls, 0);
}

TEST(WriteGolden, SealsWhatWasRecordedBesideTheAuthorsText) {
  const auto directory = TemporaryDirectory::create("golden").value();
  const std::filesystem::path root = directory.path();
  ASSERT_TRUE(write_file(root / "model.pt", "weights"));
  ASSERT_TRUE(write_file(root / "model.yaml", R"(format: serin.dev/package/v1
name: small
task: inference
engine: torch
model: model.pt
inputs:
- {name: x, kind: number, default: 1}
call:
  arguments:
  - {name: x, input: x, dtype: float32, shape: [N]}
  results:
  - {name: y, dtype: float32, shape: [N]}
outputs:
- {name: y, kind: tensor, result: y}
golden:  # mine
- request: {seed: 7}
)"));
  const auto sealing = model::prepare_seal(root);
  ASSERT_TRUE(sealing) << sealing.error().message;
  const auto model = loaded(sealing->package, by_row([](float x) { return x + 1; }));
  const auto given = record_golden(sealing->package, *model.parser, *model.loop);
  ASSERT_TRUE(given) << given.error().message;
  const auto written = write_golden(sealing->package, *given);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->manifest.files.size(), 2U);
  const auto again = loaded(*written, by_row([](float x) { return x + 1; }));
  EXPECT_TRUE(check_golden(*written, *again.parser, *again.loop));
}

}  // namespace
}  // namespace serin::engine
