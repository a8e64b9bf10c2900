// SPDX-License-Identifier: Apache-2.0
#include "engine/request_sampling.h"

#include <charconv>
#include <cmath>
#include <string>

#include "engine/request_errors.h"

namespace serin::engine {
namespace {

constexpr std::size_t kMostStops = 16;
constexpr std::size_t kLongestStop = 256;
constexpr std::size_t kMostBiases = 4096;

// Keys that hold a number, and between which bounds; `above` leaves the lower bound itself out.
struct NumberKey {
  std::string_view name;
  double Sampling::* member;
  double low, high;
  bool above = false;
};
constexpr NumberKey kNumberKeys[] = {
    {"temperature", &Sampling::temperature, 0, 2},
    {"top_p", &Sampling::top_p, 0, 1, true},
    {"min_p", &Sampling::min_p, 0, 1},
    {"presence_penalty", &Sampling::presence_penalty, -2, 2},
    {"frequency_penalty", &Sampling::frequency_penalty, -2, 2},
    {"repetition_penalty", &Sampling::repetition_penalty, 0, 10, true},
};

Result<double> number_from(std::string_view key, const json::value& value, double low, double high,
                           bool above) {
  const std::string range = above ? "a number above " + shown(low) + " and up to " + shown(high)
                                  : "a number from " + shown(low) + " to " + shown(high);
  if (!value.is_number()) return wrong_type(key, "must be " + range);
  const double given = value.to_number<double>();
  if (!(given >= low && given <= high) || (above && given == low)) {  // a NaN is in no range
    return wrong_value(key, "must be " + range + ", not " + shown(given));
  }
  return given;
}

Status add_stop(const json::value& value, std::vector<std::string>& stops) {
  if (!value.is_string()) return wrong_type("stop", "must be a string or an array of strings");
  const std::string text(value.get_string());
  if (text.empty() || text.size() > kLongestStop) {
    return wrong_value("stop", "each must have 1 to " + std::to_string(kLongestStop) +
                                   " bytes, not " + std::to_string(text.size()));
  }
  stops.push_back(text);
  return {};
}

Result<std::vector<std::string>> stops_from(const json::value& value) {
  std::vector<std::string> stops;
  if (!value.is_array()) {
    SERIN_TRY(add_stop(value, stops));
    return stops;
  }
  if (value.get_array().size() > kMostStops) {
    return wrong_value("stop", "must be at most " + std::to_string(kMostStops) + " strings, not " +
                                   std::to_string(value.get_array().size()));
  }
  for (const auto& item : value.get_array()) SERIN_TRY(add_stop(item, stops));
  return stops;
}

Result<std::map<std::int64_t, double>> biases_from(const json::value& value) {
  if (!value.is_object()) {
    return wrong_type("logit_bias", "must be an object of token ids and numbers");
  }
  if (value.get_object().size() > kMostBiases) {
    return wrong_value("logit_bias", "must be at most " + std::to_string(kMostBiases) + " entries");
  }
  std::map<std::int64_t, double> biases;
  for (const auto& [key, bias] : value.get_object()) {
    std::int64_t id = -1;
    const auto read = std::from_chars(key.data(), key.data() + key.size(), id);
    if (read.ec != std::errc() || read.ptr != key.data() + key.size() || id < 0) {
      return wrong_value("logit_bias", shown(key) + " is not a token id");
    }
    SERIN_TRY_ASSIGN(biases[id], number_from("logit_bias", bias, -100, 100, false));
  }
  return biases;
}

}  // namespace

std::vector<std::string_view> reserved_keys(const model::Manifest& manifest) {
  std::vector<std::string_view> keys{"seed"};
  if (const auto* loop = std::get_if<model::DiffusionLoop>(&manifest.loop)) {
    keys.push_back("steps");
    if (loop->guidance) keys.push_back("guidance");
  }
  if (std::holds_alternative<model::AutoregressiveLoop>(manifest.loop)) {
    for (const auto& key : kNumberKeys) keys.push_back(key.name);
    keys.insert(keys.end(), {"max_tokens", "top_k", "logit_bias", "stop", "logprobs"});
  }
  return keys;
}

const json::value* present(const json::object& fields, std::string_view key) {
  const json::value* value = fields.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::int64_t> integer_from(std::string_view key, const json::value& value, std::int64_t low,
                                  std::int64_t high) {
  const std::string range =
      "an integer from " + std::to_string(low) + " to " + std::to_string(high);
  if (!value.is_number()) return wrong_type(key, "must be " + range);
  std::int64_t given = 0;
  bool whole = true;
  if (value.is_int64()) {
    given = value.get_int64();
  } else if (value.is_uint64()) {
    whole = value.get_uint64() <= static_cast<std::uint64_t>(high);
    if (whole) given = static_cast<std::int64_t>(value.get_uint64());
  } else {
    const double number = value.get_double();
    whole = std::trunc(number) == number && std::abs(number) <= 0x1p53;
    if (whole) given = static_cast<std::int64_t>(number);
  }
  if (!whole || given < low || given > high) {
    return wrong_value(
        key, "must be " + range + ", not " +
                 (value.is_double() ? shown(value.get_double()) : json::serialize(value)));
  }
  return given;
}

Result<Sampling> sampling_from(const json::object& fields, std::int64_t most_tokens) {
  Sampling sampling;
  for (const auto& key : kNumberKeys) {
    if (const auto* value = present(fields, key.name)) {
      SERIN_TRY_ASSIGN(sampling.*key.member,
                       number_from(key.name, *value, key.low, key.high, key.above));
    }
  }
  if (const auto* value = present(fields, "max_tokens")) {
    SERIN_TRY_ASSIGN(sampling.max_tokens, integer_from("max_tokens", *value, 1, most_tokens));
  }
  if (const auto* value = present(fields, "top_k")) {
    SERIN_TRY_ASSIGN(sampling.top_k, integer_from("top_k", *value, 0, std::int64_t{1} << 31));
  }
  if (const auto* value = present(fields, "logprobs")) {
    SERIN_TRY_ASSIGN(const std::int64_t count, integer_from("logprobs", *value, 0, 20));
    sampling.logprobs = static_cast<int>(count);
  }
  if (const auto* value = present(fields, "stop")) {
    SERIN_TRY_ASSIGN(sampling.stop, stops_from(*value));
  }
  if (const auto* value = present(fields, "logit_bias")) {
    SERIN_TRY_ASSIGN(sampling.logit_bias, biases_from(*value));
  }
  return sampling;
}

Status diffusion_from(const json::object& fields, const model::DiffusionLoop& loop,
                      Request& request) {
  request.steps = loop.default_steps;
  if (const auto* value = present(fields, "steps")) {
    SERIN_TRY_ASSIGN(request.steps, integer_from("steps", *value, loop.min_steps, loop.max_steps));
  }
  if (!loop.guidance) return {};
  request.guidance = loop.guidance->default_value;
  if (const auto* value = present(fields, "guidance")) {
    SERIN_TRY_ASSIGN(request.guidance, number_from("guidance", *value, loop.guidance->min,
                                                   loop.guidance->max, false));
  }
  return {};
}

}  // namespace serin::engine
