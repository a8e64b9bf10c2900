// SPDX-License-Identifier: Apache-2.0
#include "cli/live_view.h"

#include <algorithm>

#include "cli/control.h"
#include "cli/service_table.h"

namespace serin::cli {
namespace {

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

// In lines of so many columns, every character counted as one.
std::string wrapped(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t used = 0;
  for (const char c : text) {
    const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // of UTF-8
    if (begins && used == columns) {
      out += '\n';
      used = 0;
    }
    used = c == '\n' ? 0 : used + (begins ? 1 : 0);
    out += c;
  }
  return out + "\n";
}

}  // namespace

std::string live_page(const LiveView& view, const ScreenSize& size) {
  std::string page = view.head + "\n";
  for (const std::string& notice : view.notices) page += wrapped("! " + notice, size.columns);
  page += "\n" + version_table(view.services) + "\n";
  for (const json::value& service : view.services) {
    const json::value& rollout = at(service, "rollout");
    if (rollout.is_object())
      page +=
          text_at(service, "name") + ": " + rollout_line(rollout) + "\n" + evidence_line(rollout);
  }
  const std::size_t used = lines_in(page) + 1;
  const std::size_t room = size.rows > used ? size.rows - used : 0;
  const std::size_t shown = std::min(room, view.events.size());
  page += "\n";
  for (std::size_t i = view.events.size() - shown; i < view.events.size(); ++i)
    page += event_line(view.events[i]);
  return page;
}

}  // namespace serin::cli
