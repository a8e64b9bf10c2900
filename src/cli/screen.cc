// SPDX-License-Identifier: Apache-2.0
#include "cli/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace serin::cli {
namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l";  // the other page, no cursor
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kRestOfLine = "\x1b[K";
constexpr std::string_view kRestOfPage = "\x1b[J";

// The beginning of a line that fills at most so many columns; every character counts as one.
std::string fitted(std::string_view line, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    const bool begins = (byte & 0xc0) != 0x80;  // of UTF-8
    if (begins && used == columns) break;
    used += begins ? 1 : 0;
    out += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return out;
}

}  // namespace

Screen::Screen() { std::cout << kEnter << std::flush; }
Screen::~Screen() { std::cout << kLeave << std::flush; }

ScreenSize Screen::size() const {
  winsize found{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0)
    return {};
  return {found.ws_col, found.ws_row};
}

void Screen::draw(std::string_view page) const { std::cout << frame(page, size()) << std::flush; }

std::string frame(std::string_view page, const ScreenSize& size) {
  std::string out(kHome);
  for (std::size_t row = 0; row < size.rows && !page.empty(); ++row) {
    const std::size_t end = std::min(page.find('\n'), page.size());
    if (row > 0) out += "\r\n";
    out += fitted(page.substr(0, end), size.columns);
    out += kRestOfLine;
    page.remove_prefix(std::min(end + 1, page.size()));
  }
  out += kRestOfPage;
  return out;
}

std::string_view last_lines(std::string_view text, std::size_t most) {
  std::size_t begin = text.size();
  for (; most > 0 && begin > 0; --most) {
    const std::size_t end = text.substr(0, begin - 1).rfind('\n');
    begin = end == std::string_view::npos ? 0 : end + 1;
  }
  return text.substr(begin);
}

}  // namespace serin::cli
