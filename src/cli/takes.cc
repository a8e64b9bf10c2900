// SPDX-License-Identifier: Apache-2.0
#include "cli/takes.h"

#include <CLI/CLI.hpp>

namespace serin::cli {
namespace {

constexpr char kBetweenWords = '|';

std::string joined(const std::vector<std::string>& words) {
  return CLI::detail::join(words, std::string(1, kBetweenWords));
}

}  // namespace

CLI::Option* takes_one_of(CLI::Option* option, const std::vector<std::string>& words) {
  return takes_words(option->check(CLI::IsMember(words).description("")), words);
}

CLI::Option* takes_words(CLI::Option* option, const std::vector<std::string>& words) {
  return option->type_name(joined(words));
}

CLI::Option* takes_file(CLI::Option* option) {
  return option->check(CLI::ExistingFile.description(""))->type_name("FILE");
}

CLI::Option* takes_path(CLI::Option* option) { return option->type_name("PATH"); }
CLI::Option* takes_folder(CLI::Option* option) { return option->type_name("FOLDER"); }
CLI::Option* takes_package(CLI::Option* option) { return option->type_name("PACKAGE"); }
CLI::Option* takes_service(CLI::Option* option) { return option->type_name("SERVICE"); }
CLI::Option* takes_topic(CLI::Option* option) { return option->type_name("TOPIC"); }

Taken taken_by(const CLI::Option& option) {
  using Kind = Taken::Kind;
  if (option.get_items_expected_max() == 0) return {Kind::kNothing};
  const std::string type = option.get_type_name();
  if (type == "FILE" || type == "PATH") return {Kind::kPath};
  if (type == "FOLDER") return {Kind::kFolder};
  if (type == "PACKAGE") return {Kind::kPackage};
  if (type == "SERVICE") return {Kind::kService};
  if (type == "TOPIC") return {Kind::kTopic};
  if (type.find(kBetweenWords) == std::string::npos) return {Kind::kAnything};
  Taken taken{Kind::kWords};
  for (std::string word : CLI::detail::split(type, kBetweenWords)) {
    if (word.ends_with(":N")) word.back() = '0';  // the first of those
    taken.words.push_back(std::move(word));
  }
  return taken;
}

}  // namespace serin::cli
