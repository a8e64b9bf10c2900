// SPDX-License-Identifier: Apache-2.0
// Counters, gauges and histograms of this process, and the text that Prometheus reads.
//
// The Registry owns every metric and outlives whoever counts; a reference it gave stays good as
// long as it lives. Counting is a few atomic adds from any thread; registering and exposing take a
// lock, and are for start-up and scrapes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace serin::telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void add(std::uint64_t by = 1) { count_.fetch_add(by, std::memory_order_relaxed); }
  std::uint64_t value() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Upper bounds that grow by `growth` from `low` until `high` is covered. With the default a
// quantile read from the counts is within 5 % of the true one: a bucket's middle is at most
// sqrt(1.1) from its ends.
struct Buckets {
  double low = 0;
  double high = 0;
  double growth = 1.1;

  static Buckets seconds() { return {1e-4, 600}; }       // latencies, from 100 µs to 10 minutes
  static Buckets token_seconds() { return {1e-5, 60}; }  // one token, one step
  static Buckets sizes() { return {1, 1 << 20}; }        // batches, tokens
  static Buckets bytes() { return {64, 1e9, 1.5}; }
};

class Histogram {
 public:
  explicit Histogram(const Buckets& buckets);

  void observe(double value);  // what is no number is not counted

  struct Snapshot {
    std::vector<double> bounds;         // upper, inclusive; one fewer than counts
    std::vector<std::uint64_t> counts;  // the last: above every bound
    double sum = 0;
    std::uint64_t count() const;
    // The value that a share `q` of what was observed does not exceed; 0 when nothing was.
    double quantile(double q) const;
  };
  Snapshot snapshot() const;

 private:
  std::size_t bucket_of(double value) const;
  std::vector<double> bounds_;
  double log_low_;
  double per_log_growth_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

enum class Exposition { kPrometheus, kOpenMetrics };
// What a scraper's Accept header asks for; Prometheus's text where it does not say.
Exposition negotiate(std::string_view accept);
std::string_view content_type(Exposition form);

class Registry {
 public:
  // `common` stands on every series (serin_service, serin_version).
  explicit Registry(Labels common = {});
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The same name and labels give the same metric. Names are Prometheus's (counters end in _total);
  // the name of one kind or help asked for as another is a programmer's mistake.
  Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, const Buckets& buckets,
                       Labels labels = {});
  // A gauge that is read when somebody looks; `read` is called under the registry's lock and must
  // not block.
  void gauge_read_by(std::string_view name, std::string_view help, Labels labels,
                     std::function<double()> read);
  // The same for what is counted elsewhere, and never falls.
  void counter_read_by(std::string_view name, std::string_view help, Labels labels,
                       std::function<double()> read);

  // A family of what comes and goes and is looked up when somebody scrapes: from now on it has
  // these series and no others. A counter where the name ends in _total, else a gauge.
  struct Sample {
    Labels labels;
    double value = 0;
  };
  void replace(std::string_view name, std::string_view help, const std::vector<Sample>& samples);
  // Every series that has all of these labels goes. Whoever counted there must be gone before.
  void drop(const Labels& labels);

  std::string expose(Exposition form = Exposition::kPrometheus) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace serin::telemetry
