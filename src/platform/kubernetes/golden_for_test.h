// SPDX-License-Identifier: Apache-2.0
// Text that was looked at once and kept in the repository. SERIN_WRITE_GOLDEN=1 writes the files
// anew; look at what git says has changed then.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include "base/files.h"
#include "base/yaml.h"

namespace serin::platform::kubernetes {

inline std::filesystem::path source_path(const std::string& name) {
  return std::filesystem::path(SERIN_SOURCE_DIR) / name;
}

// `name` is of the source tree.
inline void expect_golden(const std::string& text, const std::string& name) {
  const auto path = source_path(name);
  if (std::getenv("SERIN_WRITE_GOLDEN") != nullptr) {
    const Status written = write_file(path, text);
    ASSERT_TRUE(written) << written.error().message;
    FAIL() << name << " was written; look at what git says has changed, and run this test again";
  }
  const auto kept = read_file(path);
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(text, *kept) << name << " is not what is made now; look at the difference, and run "
                         << "this test with SERIN_WRITE_GOLDEN=1 if it is meant";
}

// A file of YAML, as `kubectl apply -f` takes it.
inline std::string yaml_file(std::span<const json::object> objects) {
  std::string text = "# SPDX-License-Identifier: Apache-2.0\n";
  for (const json::object& object : objects) {
    if (&object != &objects.front()) text += "---\n";
    text += write_yaml(object);
  }
  return text;
}

}  // namespace serin::platform::kubernetes
