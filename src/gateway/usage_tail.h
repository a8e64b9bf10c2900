// SPDX-License-Identifier: Apache-2.0
// How many tokens an answer says that it cost, from its last bytes as they pass: nothing is held
// back and nothing is parsed. Every form that is known (OpenAI's, Anthropic's; as JSON or as
// events) says it at its end. One request, one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace serin::gateway {

class UsageTail {
 public:
  void add(std::string_view bytes);
  // Prompt and answer together; none where the answer does not say.
  std::optional<double> tokens() const;

 private:
  std::optional<double> number(std::string_view name) const;

  static constexpr std::size_t kKept = 2048;
  std::string tail_;
};

}  // namespace serin::gateway
