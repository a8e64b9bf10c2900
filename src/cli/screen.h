// SPDX-License-Identifier: Apache-2.0
// A terminal as one page that is drawn again and again, for commands that people watch. It is drawn
// beside what the terminal shows, which is there again when the Screen goes.
#pragma once

#include <string>
#include <string_view>

namespace serin::cli {

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

class Screen {
 public:
  Screen();  // of standard output, which is a terminal
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  ScreenSize size() const;  // as the terminal is now
  void draw(std::string_view page) const;
};

// Pure: the bytes that show a page, without flicker. What does not fit is left out: the ends of
// lines, and the last lines. Nothing of the page's own can steer the terminal.
std::string frame(std::string_view page, const ScreenSize& size);

// The last lines of a text whose lines all end, at most so many.
std::string_view last_lines(std::string_view text, std::size_t most);

}  // namespace serin::cli
