// SPDX-License-Identifier: Apache-2.0
#include "gateway/answer_content.h"

#include <array>
#include <utility>
#include <vector>

#include "base/json.h"
#include "gateway/try_end.h"

namespace serin::gateway {
namespace {

using rollout::Comparison;
using rollout::NotCompared;

// Members at the top of a JSON answer that are others in every answer, or say which version gave
// it.
constexpr std::array<std::string_view, 9> kNames = {
    "id",    "created", "created_at", "model", "model_name", "model_version", "system_fingerprint",
    "serin", "usage"};

const json::value* member(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

std::string_view text_at(const json::value& value, std::string_view name) {
  const json::value* found = member(value, name);
  const json::string* text = found == nullptr ? nullptr : found->if_string();
  return text == nullptr ? std::string_view{} : std::string_view(*text);
}

template <class Call>
void for_each_in(const json::value& value, std::string_view name, const Call& call) {
  const json::value* list = member(value, name);
  if (list == nullptr) return;
  if (const json::array* elements = list->if_array()) {
    for (const json::value& element : *elements) call(element);
  } else if (const json::object* fields = list->if_object()) {
    for (const auto& field : *fields) call(field.value());
  }
}

// The texts of an answer as it is given whole.
std::vector<std::string_view> texts_of(const json::value& answer) {
  std::vector<std::string_view> texts;
  const auto take = [&](std::string_view text) {
    if (!text.empty()) texts.push_back(text);
  };
  for_each_in(answer, "choices", [&](const json::value& choice) {
    take(text_at(choice, "text"));
    if (const json::value* message = member(choice, "message")) take(text_at(*message, "content"));
  });
  for_each_in(answer, "output", [&](const json::value& item) {
    for_each_in(item, "content", [&](const json::value& part) { take(text_at(part, "text")); });
  });
  for_each_in(answer, "content", [&](const json::value& part) { take(text_at(part, "text")); });
  for_each_in(answer, "outputs", [&](const json::value& output) { take(text_at(output, "text")); });
  return texts;
}

// What one event of a stream adds to the text.
std::vector<std::string_view> texts_of(const net::SseEvent& event, const json::value& data) {
  if (event.event == "token") return {text_at(data, "text")};
  if (text_at(data, "type") == "response.output_text.delta") return {text_at(data, "delta")};
  if (text_at(data, "type") == "content_block_delta") {
    const json::value* delta = member(data, "delta");
    if (delta != nullptr) return {text_at(*delta, "text")};
  }
  std::vector<std::string_view> texts;
  for_each_in(data, "choices", [&](const json::value& choice) {
    texts.push_back(text_at(choice, "text"));
    if (const json::value* delta = member(choice, "delta"))
      texts.push_back(text_at(*delta, "content"));
  });
  return texts;
}

}  // namespace

void AnswerContent::begin(const net::Headers& headers) {
  *this = AnswerContent();
  const std::string_view type = headers.get("content-type");
  if (headers.find("content-encoding") || headers.find("inference-header-content-length") ||
      type.starts_with("application/grpc")) {
    form_ = Form::kUnknown;
  } else if (is_event_stream(headers)) {
    form_ = Form::kEvents;
    parser_.emplace(kMostJson);
  } else if (type.starts_with("application/json")) {
    form_ = Form::kJson;
  } else if (type.starts_with("text/")) {
    form_ = Form::kText;
  }
}

void AnswerContent::add(std::string_view bytes) {
  if (too_long_) return;
  switch (form_) {
    case Form::kText:
      return add_text(bytes);
    case Form::kJson:
      too_long_ = json_.size() + bytes.size() > kMostJson;
      if (!too_long_) json_ += bytes;
      return;
    case Form::kEvents:
      return take_events(bytes);
    case Form::kBytes:
      if (!sha_) sha_.emplace();
      sha_->update(bytes);
      size_ += bytes.size();
      return;
    case Form::kUnknown:
      return;
  }
}

void AnswerContent::add_text(std::string_view text) {
  is_text_ = true;
  too_long_ = text_.size() + text.size() > kMostText;
  if (!too_long_) text_ += text;
}

// A stream without a text ends with an event that is the answer as it would be given whole.
void AnswerContent::take_events(std::string_view bytes) {
  std::vector<net::SseEvent> events;
  too_long_ = !parser_->feed(bytes, events);
  for (const net::SseEvent& event : events) {
    if (event.event == "result" && !is_text_) json_ = event.data;
    const auto data = parse_json(event.data);
    if (!data) continue;
    for (const std::string_view text : texts_of(event, *data))
      if (!text.empty() && !too_long_) add_text(text);
  }
}

void AnswerContent::take_json() {
  auto answer = parse_json(json_);
  if (!answer) {
    digest_ = sha256_hex(json_);
    size_ = json_.size();
    return;
  }
  for (const std::string_view text : texts_of(*answer))
    if (!too_long_) add_text(text);
  if (is_text_) return;
  if (json::object* object = answer->if_object())
    for (const std::string_view name : kNames) object->erase(name);
  const std::string rest = canonical_json(*answer);
  digest_ = sha256_hex(rest);
  size_ = rest.size();
}

void AnswerContent::end() {
  if (!too_long_ && !is_text_ && !json_.empty()) take_json();
  // Events of which nothing was understood.
  if (form_ == Form::kEvents && !too_long_ && !is_text_ && json_.empty()) form_ = Form::kUnknown;
  if (sha_) digest_ = sha_->hex();
  sha_.reset();
  parser_.reset();
  json_ = {};
}

rollout::Compared compare(const AnswerContent& stable, const AnswerContent& candidate) {
  for (const AnswerContent* one : {&stable, &candidate}) {
    if (one->form_ == AnswerContent::Form::kUnknown) return NotCompared::kUnknownForm;
    if (one->too_long_) return NotCompared::kTooLong;
  }
  Comparison compared;
  compared.identical = stable.is_text_ == candidate.is_text_ && stable.text_ == candidate.text_ &&
                       stable.digest_ == candidate.digest_;
  const bool texts = stable.is_text_ && candidate.is_text_;
  compared.agreement = compared.identical ? 1
                       : texts            ? rollout::text_agreement(stable.text_, candidate.text_)
                                          : 0;
  compared.stable_bytes = stable.is_text_ ? stable.text_.size() : stable.size_;
  compared.candidate_bytes = candidate.is_text_ ? candidate.text_.size() : candidate.size_;
  return compared;
}

std::optional<rollout::Compared> AnswerPair::ended(Side side, std::optional<NotCompared> why_not) {
  const auto place = static_cast<std::size_t>(side);
  ended_[place] = true;
  if (!why_not_) why_not_ = why_not;
  if (!ended_[0] || !ended_[1]) return std::nullopt;
  if (why_not_) return *why_not_;
  content_[0].end();
  content_[1].end();
  return compare(content_[0], content_[1]);
}

}  // namespace serin::gateway
