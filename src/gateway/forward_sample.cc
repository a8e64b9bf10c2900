// SPDX-License-Identifier: Apache-2.0
// The part of requests that scorers of the user's are given, with their answers
// (scoring/samples.h).
#include "gateway/forward.h"

namespace serin::gateway {

// Whether the answer that begins is kept for them. Only what the split dealt, for only that is
// compared.
void Forward::begin_sample() {
  const double part = home_->sample;
  const bool dealt = !pinned_ && evidence_ && weight_ > 0 && is_assigned_version();
  if (part <= 0 || !dealt || grpc_ || answer_.status != 200) return;
  if (exchange_->head().method == "POST" && sample_draw(request_id_) < part) sample_.emplace();
}

void Forward::keep_for_sample(std::string_view bytes) {
  if (!sample_) return;
  if (sample_->size() + bytes.size() + body_->size() > SampleLog::kSampleBytes) {
    sample_.reset();
    return home_->state->sampled("too_large");
  }
  *sample_ += bytes;
}

void Forward::offer_sample(const EvidenceRecord& evidence) {
  if (!sample_) return;
  const std::string& service = home_->name;
  AnswerContent content;
  content.begin(answer_.headers);
  content.add(*sample_);
  content.end();
  std::string json = sample_json({.request_id = request_id_,
                                  .service = service,
                                  .version = assigned_version_->label,
                                  .request_type = exchange_->head().headers.get("content-type"),
                                  .request = *body_,
                                  .response_type = answer_.headers.get("content-type"),
                                  .response = *sample_,
                                  .answer = content.text()});
  const std::size_t lost =
      home_->state->samples.add(sample_draw(request_id_), std::move(json), evidence);
  home_->state->sampled("offered");
  for (std::size_t i = 0; i < lost; ++i) home_->state->sampled("not_asked_for");
}

}  // namespace serin::gateway
