// SPDX-License-Identifier: Apache-2.0
// The example packages, run for real through their frameworks: golden requests, the same answer
// alone and in company, an answer that goes on where it broke, and how fast it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <mutex>

#include "engine/golden.h"
#include "engine/loaded_package.h"
#include "engine/profile.h"
#include "engine/reproducible.h"
#include "model/attestation.h"

namespace serin::engine {
namespace {

std::vector<std::string> packages() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(SERIN_EXAMPLES)) {
    const auto manifest = entry.path() / "package" / "model.yaml";
    if (!std::filesystem::exists(manifest)) continue;
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

class Examples : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto opened = model::open_package(
        std::filesystem::path(SERIN_EXAMPLES) / GetParam() / "package", model::Verify::kDigests);
    ASSERT_TRUE(opened) << opened.error().message;
    package_ = *std::move(opened);
  }
  void load() {
    auto loaded = load_package(package_, options_, Clock::real(), nullptr);
    ASSERT_TRUE(loaded) << loaded.error().message;
    loaded_ = *std::move(loaded);
  }
  bool is_text() const {
    return std::holds_alternative<model::AutoregressiveLoop>(package_.manifest.loop);
  }

  model::Package package_;
  EngineOptions options_;
  LoadedPackage loaded_;
};

TEST_P(Examples, GiveTheirGoldenOutputs) {
  load();
  ASSERT_FALSE(HasFatalFailure());
  const auto checked = check_golden(package_, *loaded_.parser, *loaded_.loop);
  EXPECT_TRUE(checked) << checked.error().message;
}

// To the bit where the example's attestation says so of this profile, and almost elsewhere: which
// kernels a framework has depends on the processor.
TEST_P(Examples, GiveTheSameAloneAndInCompany) {
  load();
  ASSERT_FALSE(HasFatalFailure());
  const auto report = check_reproducible(package_, *loaded_.parser, *loaded_.loop);
  ASSERT_TRUE(report) << report.error().message;
  const auto attested = model::read_attestation(package_, report->profile, nullptr);
  ASSERT_TRUE(attested) << attested.error().message;
  const bool must_be_bitwise = *attested && (*attested)->bitwise();
  for (const auto& output : report->outputs) {
    std::cout << GetParam() << " " << output.output << ": "
              << (output.bitwise
                      ? "bitwise"
                      : "differs by at most " + std::to_string(output.largest_difference))
              << " over " << report->runs << " runs, " << instruction_set() << "\n";
    EXPECT_TRUE(output.bitwise || !must_be_bitwise);
    EXPECT_LE(output.largest_difference, 1e-3);
  }
}

TEST_P(Examples, TextGoesOnWhereItBroke) {
  if (!is_text()) return;
  load();
  ASSERT_FALSE(HasFatalFailure());
  const auto run = [&](Request request) {
    request.sampling.logprobs = 0;
    return std::move(run_together(*loaded_.loop, {std::move(request)}).front());
  };
  const Request request = *loaded_.parser->parse({{"seed", 5}, {"max_tokens", 12}});
  const auto whole = run(request);
  ASSERT_TRUE(whole) << whole.error().message;
  for (std::size_t cut = 0; cut <= whole->tokens.size(); cut += 3) {
    std::vector<std::int64_t> said;
    std::string said_text;
    for (std::size_t i = 0; i < cut; ++i) {
      said.push_back(whole->tokens[i].id);
      said_text += whole->tokens[i].text;
    }
    Request rest = request;
    ASSERT_TRUE(loaded_.parser->resume(rest, said));
    const auto resumed = run(std::move(rest));
    ASSERT_TRUE(resumed) << resumed.error().message;
    EXPECT_EQ(said_text + resumed->finished.text, whole->finished.text);
    ASSERT_EQ(resumed->tokens.size() + cut, whole->tokens.size());
    for (std::size_t i = cut; i < whole->tokens.size(); ++i) {
      EXPECT_EQ(resumed->tokens[i - cut].id, whole->tokens[i].id);
      EXPECT_EQ(resumed->tokens[i - cut].logprob, whole->tokens[i].logprob);
    }
  }
}

// Through the engine with its thread and queue, as a worker does.
TEST_P(Examples, ManyRequestsAtOnceAreAllAnswered) {
  auto created = Engine::create(package_, options_, Clock::real(), nullptr);
  ASSERT_TRUE(created) << created.error().message;
  auto parser = RequestParser::create(package_);
  ASSERT_TRUE(parser);
  constexpr int kRequests = 24;
  std::mutex mutex;
  std::condition_variable changed;
  int ended = 0, failed = 0;
  std::int64_t tokens = 0;
  const Instant start = Clock::real().now();
  for (int i = 0; i < kRequests; ++i) {
    auto request = parser->parse({{"seed", i}});
    ASSERT_TRUE(request) << request.error().message;
    if (is_text()) request->sampling.max_tokens = 24;
    const auto submitted = (*created)->submit(*std::move(request), [&](const Event& event) {
      const std::lock_guard lock(mutex);
      if (const auto* finished = std::get_if<Finished>(&event)) {
        ++ended;
        tokens += finished->completion_tokens;
      }
      if (std::holds_alternative<Failed>(event)) {
        ++ended;
        ++failed;
      }
      changed.notify_all();
    });
    ASSERT_TRUE(submitted) << submitted.error().message;
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(
      changed.wait_for(lock, std::chrono::seconds(100), [&] { return ended == kRequests; }));
  EXPECT_EQ(failed, 0);
  const double seconds = std::chrono::duration<double>(Clock::real().now() - start).count();
  std::cout << GetParam() << ": " << kRequests / seconds << " requests/s";
  if (is_text()) std::cout << ", " << static_cast<double>(tokens) / seconds << " tokens/s";
  std::cout << ", " << (*created)->profile() << "\n";
}

INSTANTIATE_TEST_SUITE_P(All, Examples, ::testing::ValuesIn(packages()), [](const auto& test) {
  std::string name = test.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace serin::engine
