// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/shape_book.h"

namespace serin::backends {

ShapeBook::Way ShapeBook::next(const Shape& shape) {
  const auto found = states_.find(shape);
  if (found == states_.end()) {
    if (states_.size() < most_) states_.emplace(shape, State::kSeen);
    return Way::kPlain;
  }
  switch (found->second) {
    case State::kSeen:
      found->second = State::kRecorded;
      return Way::kRecord;
    case State::kRecorded:
      return Way::kReplay;
    case State::kRefused:
      break;
  }
  return Way::kPlain;
}

void ShapeBook::refuse(const Shape& shape) {
  if (const auto found = states_.find(shape); found != states_.end())
    found->second = State::kRefused;
}

void ShapeBook::forget() {
  std::erase_if(states_, [](const auto& one) { return one.second != State::kRefused; });
}

}  // namespace serin::backends
