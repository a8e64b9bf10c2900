// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/held_errors.h"

#include <iostream>
#include <mutex>
#include <streambuf>

namespace serin::backends {
namespace {

constexpr std::size_t kMostText = std::size_t{64} << 10;
thread_local std::string* held = nullptr;

// Stands before the real buffer of std::cerr, for the rest of the process.
class PerThread final : public std::streambuf {
 public:
  explicit PerThread(std::streambuf* real) : real_(real) {}

 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    if (held == nullptr) return real_->sputn(text, size);
    if (held->size() < kMostText) held->append(text, static_cast<std::size_t>(size));
    return size;
  }
  int_type overflow(int_type character) override {
    const char one = traits_type::to_char_type(character);
    return xsputn(&one, 1) == 1 ? character : traits_type::eof();
  }
  int sync() override { return held == nullptr ? real_->pubsync() : 0; }

 private:
  std::streambuf* real_;
};

}  // namespace

HeldErrors::HeldErrors() {
  static std::once_flag once;
  // Never removed: others write to std::cerr until the very end.
  std::call_once(once, [] { std::cerr.rdbuf(new PerThread(std::cerr.rdbuf())); });
  held = &text_;
}

HeldErrors::~HeldErrors() { held = nullptr; }

std::string HeldErrors::reason() const {
  // "[E… shim_common.cpp:460] Exception in aoti_torch: REASON\nframe #0: …", "Error: REASON\n"
  for (const std::string_view mark : {"Exception in aoti_torch: ", "Error: "}) {
    const std::size_t at = text_.find(mark);
    if (at == std::string::npos) continue;
    const std::size_t begin = at + mark.size();
    return text_.substr(begin, text_.find('\n', begin) - begin);
  }
  return text_.substr(0, text_.find('\n'));
}

}  // namespace serin::backends
