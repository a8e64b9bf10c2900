// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

#include "base/check.h"

namespace serin::telemetry {
namespace {

// ---- text ----

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  constexpr double kWhole = 9007199254740992;  // 2^53: until there every whole number is exact
  if (value == std::floor(value) && std::abs(value) < kWhole)
    return std::to_string(static_cast<std::int64_t>(value));
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\\')
      out += "\\\\";
    else if (letter == '\n')
      out += "\\n";
    else if (letter == '"' && quotes)
      out += "\\\"";
    else
      out += letter;
  }
  return out;
}

bool name_fits(std::string_view name, bool colon) {
  const auto fits = [colon](char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
  };
  if (name.empty()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!fits(name[i], i == 0)) return false;
  }
  return true;
}

// "a="b",c="d"" without braces, so that le can be put behind it.
std::string inner(const Labels& common, const Labels& labels) {
  std::string text;
  for (const Labels* list : {&common, &labels}) {
    for (const auto& [name, value] : *list) {
      SERIN_CHECK(name_fits(name, false) && name != "le");
      if (!text.empty()) text += ',';
      text += name + "=\"" + escaped(value, true) + '"';
    }
  }
  return text;
}

std::string braced(const std::string& labels) { return labels.empty() ? "" : "{" + labels + "}"; }

enum class Kind { kCounter, kGauge, kHistogram };

std::string_view word_of(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

struct Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
  std::function<double()> read;
};

struct Family {
  Kind kind = Kind::kCounter;
  std::string help;
  std::map<std::string, Series> series;  // by rendered labels
};

// Prometheus reads le as text: 1 and 1.0 would be two series, and OpenMetrics wants the latter.
std::string bound_text(double bound) {
  std::string text = number(bound);
  if (text.find_first_of(".eI") == std::string::npos) text += ".0";
  return text;
}

void expose_histogram(std::string& out, const std::string& name, const std::string& labels,
                      const Histogram& histogram) {
  const Histogram::Snapshot now = histogram.snapshot();
  const std::string before = name + "_bucket{" + labels + (labels.empty() ? "" : ",") + "le=\"";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < now.counts.size(); ++i) {
    total += now.counts[i];
    out += before + (i < now.bounds.size() ? bound_text(now.bounds[i]) : "+Inf") + "\"} " +
           std::to_string(total) + '\n';
  }
  out += name + "_sum" + braced(labels) + ' ' + number(now.sum) + '\n';
  out += name + "_count" + braced(labels) + ' ' + std::to_string(total) + '\n';
}

void expose_series(std::string& out, const std::string& name, const std::string& labels,
                   const Series& series) {
  if (series.histogram) return expose_histogram(out, name, labels, *series.histogram);
  out += name + braced(labels) + ' ';
  if (series.counter)
    out += std::to_string(series.counter->value());
  else
    out += number(series.read ? series.read() : series.gauge->value());
  out += '\n';
}

}  // namespace

// ---- Histogram ----

Histogram::Histogram(const Buckets& buckets)
    : log_low_(std::log(buckets.low)), per_log_growth_(1 / std::log(buckets.growth)) {
  SERIN_CHECK(buckets.low > 0 && buckets.high > buckets.low && buckets.growth > 1);
  // Bounds have three digits, so that they read well and are the same text everywhere.
  double bound = buckets.low;
  for (int i = 0;; ++i) {
    bound = buckets.low * std::pow(buckets.growth, i);
    const double scale = std::pow(10, std::floor(std::log10(bound)) - 2);
    const double rounded = std::round(bound / scale) * scale;
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), rounded,
                                   std::chars_format::scientific, 2);
    double exact = 0;
    std::from_chars(text.data(), end.ptr, exact);
    bounds_.push_back(exact);
    if (bound >= buckets.high) break;
  }
  counts_ = std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1);
}

std::size_t Histogram::bucket_of(double value) const {
  if (!(value > bounds_.front())) return 0;
  if (value > bounds_.back()) return bounds_.size();
  const double guess = std::ceil((std::log(value) - log_low_) * per_log_growth_);
  auto index =
      static_cast<std::size_t>(std::clamp(guess, 0.0, static_cast<double>(bounds_.size() - 1)));
  // Bounds are rounded, so the guess is at most one off.
  while (value > bounds_[index]) ++index;
  while (index > 0 && value <= bounds_[index - 1]) --index;
  return index;
}

void Histogram::observe(double value) {
  if (std::isnan(value)) return;
  // Whoever sees the observation sees what its thread counted before it.
  counts_[bucket_of(value)].fetch_add(1, std::memory_order_release);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot now;
  now.bounds = bounds_;
  now.counts.reserve(bounds_.size() + 1);
  for (std::size_t i = 0; i <= bounds_.size(); ++i)
    now.counts.push_back(counts_[i].load(std::memory_order_acquire));
  now.sum = sum_.load(std::memory_order_relaxed);
  return now;
}

std::uint64_t Histogram::Snapshot::count() const {
  std::uint64_t total = 0;
  for (const std::uint64_t one : counts) total += one;
  return total;
}

double Histogram::Snapshot::quantile(double q) const {
  const std::uint64_t total = count();
  if (total == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(
      std::max(1.0, std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total))));
  std::uint64_t seen = 0;
  std::size_t index = 0;
  while ((seen += counts[index]) < rank) ++index;
  if (index == 0) return bounds.front();
  if (index == bounds.size()) return bounds.back();
  return std::sqrt(bounds[index - 1] * bounds[index]);
}

// ---- Registry ----

struct Registry::State {
  Labels common;
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  Series& series(std::string_view name, std::string_view help, Kind kind, const Labels& labels) {
    SERIN_CHECK(name_fits(name, true));
    SERIN_CHECK((kind == Kind::kCounter) == name.ends_with("_total"));
    const auto [place, is_new] = families.try_emplace(std::string(name));
    Family& family = place->second;
    if (is_new) {
      family.kind = kind;
      family.help = help;
    }
    SERIN_CHECK(family.kind == kind && family.help == help);
    return family.series[inner(common, labels)];
  }
};

Registry::Registry(Labels common) : state_(std::make_unique<State>()) {
  state_->common = std::move(common);
}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(state_->mutex);
  Series& series = state_->series(name, help, Kind::kCounter, labels);
  if (!series.counter) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  const std::lock_guard lock(state_->mutex);
  Series& series = state_->series(name, help, Kind::kGauge, labels);
  SERIN_CHECK(!series.read);
  if (!series.gauge) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, const Buckets& buckets,
                               Labels labels) {
  const std::lock_guard lock(state_->mutex);
  Series& series = state_->series(name, help, Kind::kHistogram, labels);
  if (!series.histogram) series.histogram = std::make_unique<Histogram>(buckets);
  return *series.histogram;
}

void Registry::gauge_read_by(std::string_view name, std::string_view help, Labels labels,
                             std::function<double()> read) {
  const std::lock_guard lock(state_->mutex);
  Series& series = state_->series(name, help, Kind::kGauge, labels);
  SERIN_CHECK(!series.gauge);
  series.read = std::move(read);
}

void Registry::counter_read_by(std::string_view name, std::string_view help, Labels labels,
                               std::function<double()> read) {
  const std::lock_guard lock(state_->mutex);
  Series& series = state_->series(name, help, Kind::kCounter, labels);
  SERIN_CHECK(!series.counter);
  series.read = std::move(read);
}

void Registry::replace(std::string_view name, std::string_view help,
                       const std::vector<Sample>& samples) {
  const std::lock_guard lock(state_->mutex);
  const Kind kind = name.ends_with("_total") ? Kind::kCounter : Kind::kGauge;
  const auto family = state_->families.find(name);
  if (family != state_->families.end()) family->second.series.clear();
  for (const Sample& sample : samples) {
    state_->series(name, help, kind, sample.labels).read = [value = sample.value] { return value; };
  }
}

void Registry::drop(const Labels& labels) {
  const std::lock_guard lock(state_->mutex);
  // A quotation mark in a value is escaped, so that no value looks like a label.
  std::vector<std::string> wanted;
  for (const auto& label : labels) wanted.push_back("," + inner({}, {label}) + ",");
  const auto has_all = [&](const auto& series) {
    const std::string own = "," + series.first + ",";
    return std::ranges::all_of(
        wanted, [&](const std::string& label) { return own.find(label) != std::string::npos; });
  };
  for (auto& [name, family] : state_->families) std::erase_if(family.series, has_all);
}

std::string Registry::expose(Exposition form) const {
  const std::lock_guard lock(state_->mutex);
  std::string out;
  for (const auto& [name, family] : state_->families) {
    // OpenMetrics names a counter's family without the suffix of its samples.
    std::string_view family_name = name;
    const bool open = form == Exposition::kOpenMetrics;
    if (open && family.kind == Kind::kCounter)
      family_name.remove_suffix(std::string_view("_total").size());
    out += "# HELP " + std::string(family_name) + ' ' + escaped(family.help, open) + '\n';
    out += "# TYPE " + std::string(family_name) + ' ' + std::string(word_of(family.kind)) + '\n';
    for (const auto& [labels, series] : family.series) expose_series(out, name, labels, series);
  }
  if (form == Exposition::kOpenMetrics) out += "# EOF\n";
  return out;
}

Exposition negotiate(std::string_view accept) {
  return accept.find("application/openmetrics-text") == std::string_view::npos
             ? Exposition::kPrometheus
             : Exposition::kOpenMetrics;
}

std::string_view content_type(Exposition form) {
  return form == Exposition::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace serin::telemetry
