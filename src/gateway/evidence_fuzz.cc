// SPDX-License-Identifier: Apache-2.0
// A line of evidence as a killed process may have left it: what is read is framed again the same,
// and of what is framed no part is read.
#include <cstdint>

#include "base/check.h"
#include "gateway/evidence_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto read = gateway::unframed(text)) {
    SERIN_CHECK(gateway::framed(*read) == text + "\n");
  }
  std::erase(text, '\n');
  const std::string line = gateway::framed({7, R"({"number":7,)" + text + "\n"});
  const std::string_view whole = std::string_view(line).substr(0, line.size() - 1);
  SERIN_CHECK(gateway::unframed(whole)->text == line.substr(line.find('{')));
  SERIN_CHECK(!gateway::unframed(whole.substr(0, size % whole.size())));
  return 0;
}
