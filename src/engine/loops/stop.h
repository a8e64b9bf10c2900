// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in text that comes in pieces. A stop string may begin in one token and end in
// another, so text that could still become one is held back until it is clear. For one thread; one
// an answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace serin::engine {

class StopFinder {
 public:
  explicit StopFinder(std::vector<std::string> stops);

  // Text that is certain not to belong to a stop string. Once stopped() nothing more comes.
  std::string push(std::string_view text);
  // The answer ends here by itself: what was held back is text after all.
  std::string flush();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace serin::engine
