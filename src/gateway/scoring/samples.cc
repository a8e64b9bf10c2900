// SPDX-License-Identifier: Apache-2.0
#include "gateway/scoring/samples.h"

#include <algorithm>
#include <span>

#include "base/base64.h"
#include "base/json.h"
#include "base/utf8.h"
#include "gateway/hash.h"
#include "gateway/split.h"

namespace serin::gateway {
namespace {

// No other hash of the id is to know anything of it.
constexpr std::uint64_t kDraw = 5;
// Scorers whose scores of a sample are remembered.
constexpr std::size_t kMostScorers = 8;

// nullopt: it is no UTF-8, and JSON is.
std::optional<json::value> text_value(std::string_view text) {
  if (!is_utf8(text)) return std::nullopt;
  return json::value(text);
}

json::value body_value(std::string_view type, std::string_view body) {
  if (type.starts_with("application/json") || type.empty()) {
    if (auto value = parse_json(body)) return *std::move(value);
  }
  if (type.starts_with("text/")) {
    if (auto text = text_value(body)) return *std::move(text);
  }
  return json::object{{"base64", to_base64(body)}};
}

// The texts of a value: itself, what is in a list, the content of a message, the text of a part of
// one; a line each.
void add_texts(const json::value& value, std::string& texts) {
  if (const json::string* text = value.if_string()) {
    if (!texts.empty()) texts += '\n';
    texts += *text;
  } else if (const json::array* list = value.if_array()) {
    for (const json::value& element : *list) add_texts(element, texts);
  } else if (const json::object* object = value.if_object()) {
    for (const std::string_view name : {"content", "text"})
      if (const json::value* part = object->if_contains(name)) add_texts(*part, texts);
  }
}

// What was asked for, in the forms of the APIs of text; empty where there is no text.
std::string prompt_of(const json::value& request) {
  std::string prompt;
  const json::object* fields = request.if_object();
  for (const std::string_view name : {"messages", "prompt", "input"}) {
    const json::value* found = fields == nullptr ? nullptr : fields->if_contains(name);
    if (found != nullptr && prompt.empty()) add_texts(*found, prompt);
  }
  return prompt;
}

}  // namespace

double sample_draw(std::string_view request_id) {
  return unit_interval(hash_bytes(request_id, kDraw));
}

std::string sample_json(const SampledRequest& sampled) {
  json::value request = body_value(sampled.request_type, sampled.request);
  json::object sample{{"requestId", sampled.request_id},
                      {"service", sampled.service},
                      {"version", sampled.version}};
  if (std::string prompt = prompt_of(request); !prompt.empty()) sample["prompt"] = prompt;
  if (auto answer = text_value(sampled.answer); answer && !sampled.answer.empty())
    sample["answer"] = *std::move(answer);
  sample["request"] = std::move(request);
  sample["response"] = body_value(sampled.response_type, sampled.response);
  sample["contentType"] = sampled.response_type;
  return json::serialize(sample);
}

bool SampleLog::has_scored(const Sample& sample, std::string_view scorer) {
  return std::ranges::find(sample.scored_by, scorer) != sample.scored_by.end();
}

std::size_t SampleLog::add(double draw, std::string json, EvidenceRecord evidence) {
  const std::lock_guard lock(mutex_);
  std::size_t lost = 0;
  bytes_ += json.size();
  samples_.push_back({next_++, draw, std::move(json), std::move(evidence), false, {}});
  while (samples_.size() > kSamples || (bytes_ > kBytes && samples_.size() > 1)) {
    if (!samples_.front().asked_for) ++lost;
    bytes_ -= samples_.front().json.size();
    samples_.pop_front();
  }
  return lost;
}

std::string SampleLog::unscored(std::string_view scorer, double part, std::size_t most) {
  const std::lock_guard lock(mutex_);
  std::string lines;
  std::size_t count = 0;
  for (Sample& sample : samples_) {
    if (count == most) break;
    if (sample.draw >= part || has_scored(sample, scorer)) continue;
    sample.asked_for = true;
    lines += "{\"number\":" + std::to_string(sample.number) + ",\"sample\":" + sample.json + "}\n";
    ++count;
  }
  return lines;
}

std::optional<EvidenceRecord> SampleLog::score(std::uint64_t number, std::string_view scorer,
                                               std::optional<double> score) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(samples_, number, &Sample::number);
  if (found == samples_.end() || has_scored(*found, scorer) ||
      found->scored_by.size() == kMostScorers)
    return std::nullopt;
  found->scored_by.emplace_back(scorer);
  if (!score) return std::nullopt;
  EvidenceRecord evidence = found->evidence;
  evidence.late = true;
  evidence.scores = {{std::string(scorer), *score}};
  return evidence;
}

}  // namespace serin::gateway
