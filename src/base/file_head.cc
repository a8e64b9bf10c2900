// SPDX-License-Identifier: Apache-2.0
#include "base/file_head.h"

#include <fstream>

namespace serin {

std::string head_of(const std::filesystem::path& path, std::size_t most) {
  std::ifstream file(path, std::ios::binary);
  std::string head(most, '\0');
  file.read(head.data(), static_cast<std::streamsize>(most));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head;
}

}  // namespace serin
