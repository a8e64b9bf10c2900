// SPDX-License-Identifier: Apache-2.0
// The input is a template; the messages stay the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/files.h"
#include "model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  static const auto* const folder = new TemporaryDirectory(TemporaryDirectory::create().value());
  const auto path = folder->path() / "chat.jinja";
  if (!write_file(path, {reinterpret_cast<const char*>(data), size})) std::abort();
  const auto loaded = model::ChatTemplate::load(path);
  if (!loaded) return 0;
  const json::array messages{{{"role", "user"}, {"content", "What's up?"}},
                             {{"role", "assistant"}, {"content", nullptr}}};
  static_cast<void>(
      (*loaded)->render(messages, {{"bos_token", "<s>"}, {"tools", {1, 2.5, "x"}}}, true));
  return 0;
}
