// SPDX-License-Identifier: Apache-2.0
#include "gateway/feedback/feedback.h"

#include "base/json.h"
#include "base/log.h"
#include "gateway/config_fields.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kLongestId = 256;

void read_rating(Object& object, std::optional<double>& into) {
  const json::value* value = object.find("rating");
  if (value == nullptr) return;
  if (value->is_number()) into = value->to_number<double>();
  if (value->is_string() && value->get_string() == "up") into = 1;
  if (value->is_string() && value->get_string() == "down") into = 0;
  if (!into || !(*into >= 0 && *into <= 1))
    object.wrong("rating", "must be a number from 0 to 1, \"up\" or \"down\"");
}

void read_text(Object& object, std::string_view name, std::string& into, std::size_t most) {
  object.text(name, into);
  if (into.size() > most)
    object.wrong(name, "must be at most " + std::to_string(most) + " bytes long");
}

}  // namespace

Result<Feedback> read_feedback(std::string_view body) {
  SERIN_TRY_ASSIGN(const json::value value, parse_json(body));
  Errors errors;
  Feedback feedback;
  Object object(errors, value, "");
  read_text(object, "requestId", feedback.request_id, kLongestId);
  if (value.is_object() && feedback.request_id.empty())
    object.wrong("requestId", "must be the X-Request-Id of the answer that this is about");
  read_rating(object, feedback.rating);
  read_text(object, "correction", feedback.correction, kLongestCorrection);
  read_text(object, "comment", feedback.comment, kLongestComment);
  object.no_others();
  if (!feedback.rating && feedback.correction.empty() && feedback.comment.empty())
    object.wrong("rating", "is missing, and so are correction and comment: say one of them");
  SERIN_TRY(errors.status());
  return feedback;
}

std::string feedback_line(const Feedback& feedback, const FeedbackLine& about) {
  json::object line{{"time", log::timestamp(about.time)},
                    {"requestId", feedback.request_id},
                    {"service", about.service},
                    {"version", about.version},
                    {"package", about.package}};
  if (!about.client.empty()) line["client"] = about.client;
  if (feedback.rating) line["rating"] = *feedback.rating;
  if (!feedback.correction.empty()) line["correction"] = feedback.correction;
  if (!feedback.comment.empty()) line["comment"] = feedback.comment;
  return json::serialize(line) + "\n";
}

}  // namespace serin::gateway
