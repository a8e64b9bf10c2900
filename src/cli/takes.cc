// SPDX-License-Identifier: Apache-2.0
#include "cli/takes.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <limits>
#include <sstream>

#include "base/quantity.h"
#include "base/words.h"

namespace serin::cli {
namespace {

constexpr char kBetweenWords = '|';

std::string joined(const std::vector<std::string>& words) {
  return CLI::detail::join(words, std::string(1, kBetweenWords));
}

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

// A check that says what would be right.
CLI::Option* must(CLI::Option* option, std::string right,
                  std::function<bool(const std::string&)> is_right, const std::string& shown_as) {
  return option->check(CLI::Validator(
      [right = std::move(right), is_right = std::move(is_right)](const std::string& text) {
        return is_right(text) ? std::string() : "must be " + right + ", not " + in_quotes(text);
      },
      shown_as));
}

bool is_number(const std::string& text, double low, double high) {
  double number = 0;
  return CLI::detail::lexical_cast(text, number) && number >= low && number <= high;
}

// As a person writes it: 10000 and 0.01.
std::string written(double number) {
  std::ostringstream out;
  out << std::setprecision(12) << number;
  return out.str();
}

}  // namespace

CLI::Option* takes_one_of(CLI::Option* option, const std::vector<std::string>& words) {
  const auto check = [words](const std::string& text) {
    return std::ranges::find(words, text) != words.end()
               ? std::string()
               : "must be " + either(words) + ", not " + in_quotes(text);
  };
  return takes_words(option->check(CLI::Validator(check, "")), words);
}

CLI::Option* takes_words(CLI::Option* option, const std::vector<std::string>& words) {
  return option->type_name(joined(words));
}

CLI::Option* takes_between(CLI::Option* option, double low, double high) {
  return must(
      option, "from " + written(low) + " to " + written(high),
      [low, high](const std::string& text) { return is_number(text, low, high); },
      written(low) + ".." + written(high));
}

CLI::Option* takes_from(CLI::Option* option, double low) {
  return must(
      option, written(low) + " or more",
      [low](const std::string& text) {
        return is_number(text, low, std::numeric_limits<double>::max());
      },
      "");
}

CLI::Option* takes_positive(CLI::Option* option) {
  return must(
      option, "more than 0",
      [](const std::string& text) {
        return is_number(text, std::numeric_limits<double>::min(),
                         std::numeric_limits<double>::max());
      },
      "");
}

CLI::Option* takes_port(CLI::Option* option) { return takes_between(option, 0, 65535); }

CLI::Option* takes_bytes(CLI::Option* option) {
  const auto read = [](std::string& text) -> std::string {
    std::string wrong =
        "must be a number of bytes, such as 65536, 64KiB or 2GiB, not " + in_quotes(text);
    if (text.starts_with('-')) return wrong;
    try {
      return CLI::AsSizeValue(false)(text).empty() ? "" : wrong;
    } catch (const CLI::ValidationError&) {
      return wrong;
    }
  };
  return option->transform(CLI::Validator(read, ""))->type_name("BYTES");
}

CLI::Option* takes_duration(CLI::Option* option) {
  return must(
             option, "a duration, such as 250ms, 90s, 10m or 7d",
             [](const std::string& text) { return parse_duration(text).has_value(); }, "")
      ->type_name("DURATION");
}

CLI::Option* takes_file(CLI::Option* option) {
  const auto check = [](const std::string& text) -> std::string {
    std::error_code unreadable;
    const auto status = std::filesystem::status(text, unreadable);
    if (!std::filesystem::exists(status)) return "there is no file " + text;
    return std::filesystem::is_directory(status) ? text + " is a folder, not a file" : "";
  };
  return option->check(CLI::Validator(check, ""))->type_name("FILE");
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
