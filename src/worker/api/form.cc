// SPDX-License-Identifier: Apache-2.0
#include "worker/api/form.h"

#include <algorithm>
#include <cstdio>
#include <variant>

#include "base/overload.h"
#include "rollout/score/score.h"

namespace serin::worker::api {
namespace {

std::optional<double> form_of_tensor(const model::Output& output, const Tensor& tensor) {
  return std::visit(
      Overload{[&](const model::ImageOutput& image) -> std::optional<double> {
                 return rollout::image_form(tensor, image.range.low, image.range.high);
               },
               [&](const model::VideoOutput& video) -> std::optional<double> {
                 return rollout::video_form(tensor, video.range.low, video.range.high);
               },
               [&](const model::AudioOutput&) -> std::optional<double> {
                 return rollout::audio_form(tensor);
               },
               [](const auto&) -> std::optional<double> { return std::nullopt; }},
      output.kind);
}

}  // namespace

std::optional<double> form_of(const model::Manifest& manifest, const engine::Finished& finished,
                              std::string_view prompt) {
  std::optional<double> least;
  for (const model::Output& output : manifest.outputs) {
    std::optional<double> form;
    if (std::holds_alternative<model::TextOutput>(output.kind)) {
      form = rollout::text_form(
          finished.text,
          {.prompt = prompt, .cut = finished.reason == engine::FinishReason::kLength});
    } else if (const auto found = finished.outputs.find(output.name);
               found != finished.outputs.end()) {
      form = form_of_tensor(output, found->second);
    }
    if (form) least = std::min(least.value_or(1), *form);
  }
  return least;
}

std::string score_field(double form) {
  char text[32];
  std::snprintf(text, sizeof text, "wellFormed=%.4g", form);
  return text;
}

}  // namespace serin::worker::api
