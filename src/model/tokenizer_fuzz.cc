// SPDX-License-Identifier: Apache-2.0
// The input is a tokenizer.json; the text stays the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/files.h"
#include "model/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  static const auto* const folder = new TemporaryDirectory(TemporaryDirectory::create().value());
  const auto path = folder->path() / "tokenizer.json";
  if (!write_file(path, {reinterpret_cast<const char*>(data), size})) std::abort();
  const auto loaded = model::Tokenizer::load(path);
  if (!loaded) return 0;
  const auto ids = (*loaded)->encode("Hello wörld, it's 日本 🦜 123", true);
  if (!ids) return 0;
  static_cast<void>((*loaded)->decode(*ids, true));
  const auto stream = (*loaded)->stream(true);
  for (const std::int64_t id : *ids) static_cast<void>(stream->push(id));
  static_cast<void>(stream->finish());
  return 0;
}
