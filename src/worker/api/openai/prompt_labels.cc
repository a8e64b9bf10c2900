// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/prompt_labels.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <variant>
#include <vector>

#include "worker/api/fields.h"

namespace serin::worker::api {
namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kSpace = " \t\r\n,;:.!?\"'()";
  while (true) {
    const auto first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return words;
    const auto end = std::min(text.find_first_of(kSpace, first), text.size());
    words.push_back(text.substr(first, end - first));
    text.remove_prefix(end);
  }
}

bool same_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::optional<std::string> label_in(const model::LabelInput& input,
                                    const std::vector<std::string_view>& words) {
  for (const std::string_view word : words) {
    if (std::ranges::find(input.labels, word) != input.labels.end()) return std::string(word);
  }
  for (const std::string_view word : words) {
    const auto found = std::ranges::find_if(
        input.labels, [&](const std::string& label) { return same_without_case(label, word); });
    if (found != input.labels.end()) return *found;
  }
  return std::nullopt;
}

std::string known_words(const model::Manifest& manifest) {
  constexpr std::size_t kShown = 40;
  std::string list;
  std::size_t shown = 0;
  for (const model::Input& input : manifest.inputs) {
    const auto* label = std::get_if<model::LabelInput>(&input.kind);
    if (label == nullptr) continue;
    for (const std::string& word : label->labels) {
      if (shown++ < kShown) list += (list.empty() ? "" : ", ") + word;
    }
  }
  return list;
}

}  // namespace

Status apply_prompt(const model::Manifest& manifest, std::string_view prompt,
                    std::string_view param, json::object& request) {
  const auto words = words_of(prompt);
  bool understood = words.empty(), labelled = false;
  for (const model::Input& input : manifest.inputs) {
    if (std::holds_alternative<model::TextInput>(input.kind)) {
      if (!request.contains(input.name)) request[input.name] = prompt;
      return {};
    }
    const auto* label = std::get_if<model::LabelInput>(&input.kind);
    if (label == nullptr) continue;
    labelled = true;
    const auto found = label_in(*label, words);
    understood = understood || found.has_value() || request.contains(input.name);
    if (found && !request.contains(input.name)) request[input.name] = *found;
  }
  if (understood || !labelled) return {};
  return wrong_field(param, "made of words that this model knows: " + known_words(manifest));
}

}  // namespace serin::worker::api
