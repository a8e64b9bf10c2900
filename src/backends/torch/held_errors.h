// SPDX-License-Identifier: Apache-2.0
// Compiled programs write to std::cerr what went wrong and then give an error code that says
// nothing. While one of these lives, what its thread writes there is kept instead: it says why, and
// the process's standard error stays what our log wrote. One thread; not nested.
#pragma once

#include <string>

namespace serin::backends {

class HeldErrors {
 public:
  HeldErrors();
  ~HeldErrors();
  HeldErrors(const HeldErrors&) = delete;
  HeldErrors& operator=(const HeldErrors&) = delete;

  // The first reason in it, without PyTorch's stack; empty when nothing was written.
  std::string reason() const;

 private:
  std::string text_;
};

}  // namespace serin::backends
