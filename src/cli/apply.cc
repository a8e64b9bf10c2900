// SPDX-License-Identifier: Apache-2.0
// `serin apply` and `serin diff`.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

struct ApplyLine {
  ControlLine control;
  std::vector<std::string> files;
};

// All of them are tried; what was wrong with some is one error.
template <class Work>
Status for_each_manifest(const ApplyLine& line, Work&& work) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  SERIN_TRY_ASSIGN(const auto manifests, read_manifests(line.files));
  std::optional<Error> failed;
  for (const auto& manifest : manifests) {
    Status done = work(client, manifest);
    if (done) continue;
    // Without a control plane the next one fares no better.
    if (done.error().reason == "no_control_plane") return done;
    if (failed) {
      failed->message += "\n" + done.error().message;
    } else {
      failed = std::move(done).error();
    }
  }
  if (failed) return fail(*std::move(failed));
  return {};
}

void warn(const std::string& file, const json::value& answer) {
  const json::value& warnings = at(answer, "warnings");
  if (!warnings.is_array()) return;
  for (const json::value& warning : warnings.get_array())
    std::cerr << file << ": warning: " << std::string_view(warning.as_string()) << "\n";
}

Status apply(const ApplyLine& line) {
  return for_each_manifest(line, [](const auto& client, const auto& manifest) -> Status {
    SERIN_TRY_ASSIGN(const json::value answer, client.apply(manifest));
    std::cout << text_at(answer, "name") << " " << text_at(answer, "result") << "\n";
    warn(manifest.file, answer);
    return {};
  });
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The lines of both, marked with what became of them: the longest common subsequence stays.
std::string difference(const std::vector<std::string>& before,
                       const std::vector<std::string>& after) {
  std::vector<std::vector<int>> common(before.size() + 1, std::vector<int>(after.size() + 1));
  for (std::size_t i = before.size(); i-- > 0;) {
    for (std::size_t j = after.size(); j-- > 0;) {
      common[i][j] = before[i] == after[j] ? common[i + 1][j + 1] + 1
                                           : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::string out;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < before.size() || j < after.size()) {
    if (i < before.size() && j < after.size() && before[i] == after[j]) {
      out += "  " + before[i++] + "\n";
      ++j;
    } else if (j == after.size() || (i < before.size() && common[i + 1][j] >= common[i][j + 1])) {
      out += "- " + before[i++] + "\n";
    } else {
      out += "+ " + after[j++] + "\n";
    }
  }
  return out;
}

// The same value with its fields in the order of another one, so that what only moved is no
// difference.
json::value in_order_of(const json::value& pattern, const json::value& value) {
  if (pattern.is_array() && value.is_array()) {
    json::array items = value.get_array();
    const json::array& others = pattern.get_array();
    for (std::size_t i = 0; i < std::min(items.size(), others.size()); ++i)
      items[i] = in_order_of(others[i], items[i]);
    return items;
  }
  if (!pattern.is_object() || !value.is_object()) return value;
  json::object fields;
  for (const auto& [name, other] : pattern.get_object()) {
    if (const json::value* own = value.get_object().if_contains(name))
      fields.emplace(name, in_order_of(other, *own));
  }
  for (const auto& [name, own] : value.get_object()) fields.emplace(name, own);
  return fields;
}

Status diff(const ApplyLine& line) {
  int differ = 0;
  SERIN_TRY(for_each_manifest(line, [&](const auto& client, const auto& manifest) -> Status {
    SERIN_TRY_ASSIGN(const json::value wanted, client.apply(manifest, /*dry_run=*/true));
    warn(manifest.file, wanted);
    if (text_at(wanted, "result") == "unchanged") return {};
    ++differ;
    const std::string name = text_at(wanted, "name");
    std::string before;
    std::string digest;
    if (text_at(wanted, "result") == "configured") {
      SERIN_TRY_ASSIGN(const json::value now, client.service(name));
      before = to_yaml(in_order_of(at(wanted, "manifest"), at(now, "manifest")));
      digest = text_at(now, "digest");
    }
    std::cout << name << ":\n"
              << difference(lines_of(before), lines_of(to_yaml(at(wanted, "manifest"))));
    if (digest != text_at(wanted, "digest"))
      std::cout << "  the package: " << (digest.empty() ? "none" : digest) << " to "
                << text_at(wanted, "digest") << "\n";
    return {};
  }));
  if (differ == 0) return {};
  return fail(Code::kAborted,
              std::to_string(differ) + (differ == 1 ? " service differs" : " services differ"));
}

std::shared_ptr<ApplyLine> add(CLI::App& command) {
  auto line = std::make_shared<ApplyLine>();
  takes_path(command.add_option("-f,--file", line->files,
                                "Manifests: files, folders, or - for standard input"))
      ->required();
  add_control_options(command, line->control);
  return line;
}

}  // namespace

void add_apply(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("apply", "Have services run as manifests say");
  const auto line = add(*command);
  command->callback([line, &chosen] { chosen = [line] { return apply(*line); }; });
}

void add_diff(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand(
      "diff", "Show what apply would change; ends with 1 where it would change something");
  const auto line = add(*command);
  command->callback([line, &chosen] { chosen = [line] { return diff(*line); }; });
}

}  // namespace serin::cli
