// SPDX-License-Identifier: Apache-2.0
// The commands as a list, for what is made of their description.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace serin::cli {

// A path of words ("package verify") and the app that it names.
struct Described {
  std::string path;
  const CLI::App* app;
};

// The root first, with an empty path.
std::vector<Described> described(const CLI::App& app);

}  // namespace serin::cli
