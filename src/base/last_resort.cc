// SPDX-License-Identifier: Apache-2.0
#include "base/last_resort.h"

#include <exception>
#include <new>
#include <string>

#include "base/log.h"

namespace serin {

Error caught(std::string_view doing) {
  const std::string where(doing);
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return {Code::kUnavailable, where + ": out of memory", "out_of_memory"};
  } catch (const std::exception& thrown) {
    return {Code::kInternal, where + " failed: " + thrown.what()};
  } catch (...) {
    return {Code::kInternal, where + " failed: what was thrown is no std::exception"};
  }
}

void log_caught(std::string_view doing) noexcept {
  try {
    log::error("an exception was caught in a last resort", {{"error", caught(doing).message}});
  } catch (...) {  // no memory for a line either
  }
}

}  // namespace serin
