// SPDX-License-Identifier: Apache-2.0
#include "worker/metrics.h"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>
#include <vector>

namespace serin::worker {
namespace {

// The sum of a series over its labels.
double sum_of(const std::string& text, std::string_view name) {
  double sum = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(std::string(name) + "{")) sum += std::stod(line.substr(line.rfind(' ')));
  }
  return sum;
}

TEST(Metrics, AScrapeNeverFindsMoreDurationsThanAnswers) {
  Metrics metrics("service", "v1", "");
  RouteMetrics route(metrics.registry(), "/generate");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) route.answered(200, std::chrono::milliseconds(3));
    });
  }
  for (int i = 0; i < 300; ++i) {
    const std::string text = metrics.registry().expose();
    EXPECT_LE(sum_of(text, "gen_ai_server_request_duration_seconds_count"),
              sum_of(text, "serin_requests_total"));
  }
  for (std::jthread& thread : threads) thread.request_stop();
  threads.clear();
  const std::string text = metrics.registry().expose();
  EXPECT_EQ(sum_of(text, "gen_ai_server_request_duration_seconds_count"),
            sum_of(text, "serin_requests_total"));
}

}  // namespace
}  // namespace serin::worker
