// SPDX-License-Identifier: Apache-2.0
#include "rollout/agreements.h"

#include <algorithm>

#include "rollout/state.h"

namespace serin::rollout {
namespace {

constexpr std::string_view kHeading = "serin agreements 1\n";
constexpr double kShownAlpha = 0.05;

}  // namespace

void Agreements::add(const Compared& compared) {
  if (const auto* why = std::get_if<NotCompared>(&compared)) {
    ++not_compared_[static_cast<std::size_t>(*why)];
    return;
  }
  const auto& both = std::get<Comparison>(compared);
  ++compared_;
  identical_ += both.identical ? 1 : 0;
  sum_ += both.agreement;
  squares_ += both.agreement * both.agreement;
  stable_bytes_ += both.stable_bytes;
  candidate_bytes_ += both.candidate_bytes;
}

double Agreements::mean() const {
  return compared_ == 0 ? 0 : sum_ / static_cast<double>(compared_);
}

Interval Agreements::interval() const {
  const auto count = static_cast<double>(compared_);
  if (compared_ == 0) return {0, 1};
  // As if one had been seen that is off by all, so that none seen is no certainty.
  const double variance = std::max(squares_ / count - mean() * mean(), 1 / (count + 1));
  const Interval around =
      rollout::around({.mean = mean(), .variance = variance, .count = count}, kShownAlpha);
  return {std::max(0.0, around.low), std::min(1.0, around.high)};
}

double Agreements::size_ratio() const {
  if (stable_bytes_ == 0) return 1;
  return static_cast<double>(candidate_bytes_) / static_cast<double>(stable_bytes_);
}

std::string Agreements::save() const {
  StateWriter writer;
  fields(*this, writer);
  return std::string(kHeading) + writer.bytes();
}

Result<Agreements> Agreements::load(std::string_view saved) {
  if (!saved.starts_with(kHeading)) return invalid("not saved agreements of this format");
  StateReader reader(saved.substr(kHeading.size()));
  Agreements loaded;
  fields(loaded, reader);
  if (!reader.good() || !reader.at_end()) return invalid("saved agreements that were cut off");
  return loaded;
}

}  // namespace serin::rollout
