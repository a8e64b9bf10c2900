// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <thread>

namespace serin::telemetry {
namespace {

// A reader of the text format (https://prometheus.io/docs/instrumenting/exposition_formats/),
// strict about what a scraper is strict about. Gives sample → value; an error as text.
struct Exposed {
  std::map<std::string, std::string> types;
  std::map<std::string, double> samples;
  std::string error;
};

bool read_labels(std::string_view& rest, std::string& labels) {
  if (!rest.starts_with('{')) return true;
  std::size_t i = 1;
  while (i < rest.size() && rest[i] != '}') {
    const std::size_t equals = rest.find("=\"", i);
    if (equals == std::string_view::npos) return false;
    std::size_t end = equals + 2;
    while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
    if (end >= rest.size()) return false;
    i = end + 1;
    if (i < rest.size() && rest[i] == ',') ++i;
  }
  if (i >= rest.size()) return false;
  labels = rest.substr(0, i + 1);
  rest.remove_prefix(i + 1);
  return true;
}

Exposed parse(const std::string& text) {
  Exposed read;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    if (line == "# EOF" || line.starts_with("# HELP ")) continue;
    if (line.starts_with("# TYPE ")) {
      const std::size_t space = line.rfind(' ');
      if (!read.types.emplace(line.substr(7, space - 7), line.substr(space + 1)).second)
        read.error = "type twice: " + line;
      continue;
    }
    std::string_view rest = line;
    const std::size_t end = rest.find_first_of("{ ");
    if (end == std::string_view::npos) return {{}, {}, "no value: " + line};
    const std::string name(rest.substr(0, end));
    rest.remove_prefix(end);
    std::string labels;
    if (!read_labels(rest, labels) || !rest.starts_with(' '))
      return {{}, {}, "broken labels: " + line};
    char* after = nullptr;
    const std::string number(rest.substr(1));
    const double value = std::strtod(number.c_str(), &after);
    if (number.empty() || *after != '\0') return {{}, {}, "broken number: " + line};
    if (!read.samples.emplace(name + labels, value).second)
      return {{}, {}, "sample twice: " + line};
  }
  return read;
}

TEST(Exposition, CanBeReadBack) {
  Registry registry({{"serin_service", "glyphs"}, {"serin_version", "v\"2\\\n"}});
  registry.counter("serin_requests_total", "Requests by status.", {{"status", "200"}}).add(3);
  registry.counter("serin_requests_total", "Requests by status.", {{"status", "429"}}).add();
  registry.gauge("serin_queue_depth", "Waiting\nnow.").set(2.5);
  registry.gauge_read_by("serin_up", "Always one.", {}, [] { return 1.0; });
  Histogram& histogram = registry.histogram("serin_latency_seconds", "Latency.", {0.001, 10});
  for (const double value : {0.0005, 0.002, 0.5, 100.0}) histogram.observe(value);
  const Exposed read = parse(registry.expose());
  ASSERT_EQ(read.error, "");
  const std::string common = "serin_service=\"glyphs\",serin_version=\"v\\\"2\\\\\\n\"";
  EXPECT_EQ(read.types.at("serin_requests_total"), "counter");
  EXPECT_EQ(read.samples.at("serin_requests_total{" + common + ",status=\"200\"}"), 3);
  EXPECT_EQ(read.samples.at("serin_requests_total{" + common + ",status=\"429\"}"), 1);
  EXPECT_EQ(read.samples.at("serin_queue_depth{" + common + "}"), 2.5);
  EXPECT_EQ(read.samples.at("serin_up{" + common + "}"), 1);
  EXPECT_EQ(read.types.at("serin_latency_seconds"), "histogram");
  EXPECT_EQ(read.samples.at("serin_latency_seconds_count{" + common + "}"), 4);
  EXPECT_DOUBLE_EQ(read.samples.at("serin_latency_seconds_sum{" + common + "}"), 100.5025);
  EXPECT_EQ(read.samples.at("serin_latency_seconds_bucket{" + common + ",le=\"+Inf\"}"), 4);
  EXPECT_EQ(read.samples.at("serin_latency_seconds_bucket{" + common + ",le=\"0.001\"}"), 1);
}

TEST(Exposition, CountsCumulatively) {
  Registry registry;
  Histogram& histogram = registry.histogram("h", "H.", {1, 1000});
  for (int i = 1; i <= 500; ++i) histogram.observe(i);
  const Exposed read = parse(registry.expose());
  std::map<double, double> buckets;
  for (const auto& [sample, value] : read.samples) {
    const std::size_t le = sample.find("le=\"");
    if (le != std::string::npos) buckets[std::strtod(sample.c_str() + le + 4, nullptr)] = value;
  }
  double before = 0;
  for (const auto& [bound, count] : buckets) {
    EXPECT_GE(count, before);
    EXPECT_EQ(count, std::min(500.0, std::floor(bound)));
    before = count;
  }
}

TEST(Exposition, SpeaksOpenMetricsToWhoeverAsks) {
  EXPECT_EQ(negotiate("text/plain;version=0.0.4, */*"), Exposition::kPrometheus);
  EXPECT_EQ(negotiate(""), Exposition::kPrometheus);
  const Exposition asked = negotiate("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  EXPECT_EQ(asked, Exposition::kOpenMetrics);
  EXPECT_TRUE(content_type(asked).starts_with("application/openmetrics-text; version=1.0.0"));
  Registry registry;
  registry.counter("serin_requests_total", "Requests.").add(2);
  EXPECT_EQ(registry.expose(asked),
            "# HELP serin_requests Requests.\n# TYPE serin_requests counter\nserin_requests_total "
            "2\n# EOF\n");
  EXPECT_EQ(registry.expose(),
            "# HELP serin_requests_total Requests.\n# TYPE serin_requests_total "
            "counter\nserin_requests_total 2\n");
}

TEST(Registries, GiveTheSameMetricForTheSameName) {
  Registry registry;
  EXPECT_EQ(&registry.counter("a_total", "A."), &registry.counter("a_total", "A."));
  EXPECT_NE(&registry.counter("a_total", "A.", {{"x", "1"}}),
            &registry.counter("a_total", "A.", {{"x", "2"}}));
}

TEST(RegistriesDeathTest, EndTheProcessOnNamesThatNoScraperReads) {
  Registry registry;
  registry.gauge("a", "A.");
  EXPECT_DEATH(registry.gauge("a b", "A."), "name_fits");
  EXPECT_DEATH(registry.gauge("1a", "A."), "name_fits");
  EXPECT_DEATH(registry.counter("a", "A."), "_total");
  EXPECT_DEATH(registry.histogram("a", "A.", Buckets::seconds()), "kind");
  EXPECT_DEATH(registry.gauge("b", "B.", {{"le", "1"}}), "le");
}

TEST(Histograms, HoldQuantilesToFivePercent) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> latencies(-3, 1.5);
  Histogram histogram(Buckets::seconds());
  std::vector<double> values(20'000);
  for (double& value : values)
    histogram.observe(value = std::clamp(latencies(random), 2e-4, 500.0));
  std::sort(values.begin(), values.end());
  const auto now = histogram.snapshot();
  for (const double q : {0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999}) {
    const double exact = values[static_cast<std::size_t>(std::ceil(q * 20'000)) - 1];
    EXPECT_NEAR(now.quantile(q) / exact, 1, 0.05) << q;
  }
}

TEST(Histograms, PutEveryValueIntoItsBucket) {
  Histogram histogram(Buckets::seconds());
  const auto bounds = histogram.snapshot().bounds;
  for (const double bound : bounds) {
    histogram.observe(bound);                       // inclusive
    histogram.observe(std::nextafter(bound, 1e9));  // the next one
  }
  const auto now = histogram.snapshot();
  EXPECT_EQ(now.counts.front(), 1u);
  for (std::size_t i = 1; i < bounds.size(); ++i) EXPECT_EQ(now.counts[i], 2u) << bounds[i];
  EXPECT_EQ(now.counts.back(), 1u);
}

TEST(Histograms, SurviveWhatIsNoLatency) {
  Histogram histogram({1, 10});
  histogram.observe(std::nan(""));
  EXPECT_EQ(histogram.snapshot().count(), 0u);
  EXPECT_EQ(histogram.snapshot().quantile(0.5), 0);
  histogram.observe(-1);
  histogram.observe(0);
  histogram.observe(INFINITY);
  const auto now = histogram.snapshot();
  EXPECT_EQ(now.counts.front(), 2u);
  EXPECT_EQ(now.counts.back(), 1u);
}

TEST(Metrics, LoseNothingBetweenThreads) {
  Registry registry;
  Counter& counter = registry.counter("a_total", "A.");
  Histogram& histogram = registry.histogram("b", "B.", {1, 100});
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 10'000; ++j) {
          counter.add();
          histogram.observe(2);
        }
      });
    }
  }
  EXPECT_EQ(counter.value(), 40'000u);
  EXPECT_EQ(histogram.snapshot().count(), 40'000u);
  EXPECT_EQ(histogram.snapshot().sum, 80'000);
}

TEST(Registries, ReplaceWhatComesAndGoes) {
  Registry registry({{"s", "x"}});
  registry.replace("weight", "W.", {{{{"v", "v1"}}, 0.9}, {{{"v", "v2"}}, 0.1}});
  registry.replace("ends_total", "E.", {{{{"v", "v1"}}, 3}});
  EXPECT_EQ(registry.expose(),
            "# HELP ends_total E.\n# TYPE ends_total counter\nends_total{s=\"x\",v=\"v1\"} 3\n"
            "# HELP weight W.\n# TYPE weight gauge\nweight{s=\"x\",v=\"v1\"} 0.9\n"
            "weight{s=\"x\",v=\"v2\"} 0.1\n");
  registry.replace("weight", "W.", {{{{"v", "v2"}}, 1}});
  registry.replace("ends_total", "E.", {});
  const std::string text = registry.expose();
  EXPECT_EQ(text.find("v1"), std::string::npos);
  EXPECT_NE(text.find("weight{s=\"x\",v=\"v2\"} 1\n"), std::string::npos);
}

TEST(Registries, DropSeriesByAllOfTheirLabels) {
  Registry registry;
  registry.counter("a_total", "A.", {{"service", "x"}, {"version", "v1"}, {"code", "200"}}).add();
  registry.counter("a_total", "A.", {{"service", "x"}, {"version", "v10"}, {"code", "200"}}).add();
  registry.counter("a_total", "A.", {{"service", "y"}, {"version", "v1"}, {"code", "200"}}).add();
  registry.gauge("b", "B.", {{"note", ",service=\"x\",version=\"v1\","}}).set(1);
  registry.histogram("c", "C.", {1, 2, 2}, {{"version", "v1"}, {"service", "x"}}).observe(1);
  registry.drop({{"service", "x"}, {"version", "v1"}});
  const std::string text = registry.expose();
  EXPECT_EQ(text.find("service=\"x\",version=\"v1\",code"), std::string::npos);
  EXPECT_NE(text.find("version=\"v10\""), std::string::npos);
  EXPECT_NE(text.find("service=\"y\""), std::string::npos);
  EXPECT_NE(text.find("b{note="), std::string::npos);
  EXPECT_EQ(text.find("c_bucket"), std::string::npos);
}

}  // namespace
}  // namespace serin::telemetry
