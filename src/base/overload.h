// SPDX-License-Identifier: Apache-2.0
// For std::visit: one function for each alternative.
#pragma once

namespace serin {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};

}  // namespace serin
