// SPDX-License-Identifier: Apache-2.0
#include "cli/control.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/files.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestManifest = std::uint64_t{1} << 20;

Result<control::api::Client::Manifest> read_manifest_file(const std::string& name) {
  if (name == "-") {
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    return control::api::Client::Manifest{text, "stdin", fs::current_path()};
  }
  SERIN_TRY_ASSIGN(std::string text, read_file(name, kLargestManifest));
  return control::api::Client::Manifest{std::move(text), name, fs::absolute(name).parent_path()};
}

std::string plain(const char* form, double number) {
  char text[64];
  std::snprintf(text, sizeof text, form, number);
  return text;
}

// A string that YAML would take for something else, or not read at all, is quoted.
std::string scalar(const json::value& value) {
  const auto* text = value.if_string();
  if (text == nullptr) return canonical_json(value);
  const std::string_view view = *text;
  const bool letter = !view.empty() && (std::isalpha(static_cast<unsigned char>(view[0])) != 0 ||
                                        view[0] == '/' || view[0] == '.');
  const bool safe = letter && std::ranges::all_of(view, [](char c) {
                      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' ||
                             c == '-' || c == '_' || c == '/';
                    });
  for (const std::string_view word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
    if (view == word) return canonical_json(value);
  return safe && view.find_first_not_of('.') != std::string_view::npos ? std::string(view)
                                                                       : canonical_json(value);
}

void append_yaml(const json::value& value, const std::string& indent, std::string& out) {
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    for (const auto& field : *object) {
      out += indent + scalar(json::value(field.key())) + ":";
      const json::value& inner = field.value();
      const bool nested = (inner.is_object() && !inner.get_object().empty()) ||
                          (inner.is_array() && !inner.get_array().empty());
      if (!nested) {
        out += " " + scalar(inner) + "\n";
        continue;
      }
      out += "\n";
      append_yaml(inner, inner.is_array() ? indent : indent + "  ", out);
    }
    return;
  }
  if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    for (const json::value& item : *array) {
      std::string inner;
      append_yaml(item, indent + "  ", inner);
      out += indent + "- " + inner.substr(std::min(inner.size(), indent.size() + 2));
    }
    return;
  }
  out += indent + scalar(value) + "\n";
}

}  // namespace

void add_output_option(CLI::App& command, ControlLine& line) {
  takes_one_of(command.add_option("-o,--output", line.output, "How it is printed"),
               {"table", "json", "yaml"})
      ->capture_default_str();
}

Result<std::vector<control::api::Client::Manifest>> read_manifests(
    const std::vector<std::string>& names) {
  std::vector<control::api::Client::Manifest> found;
  for (const std::string& name : names) {
    std::error_code ignored;
    if (!fs::is_directory(name, ignored)) {
      SERIN_TRY_ASSIGN(auto manifest, read_manifest_file(name));
      found.push_back(std::move(manifest));
      continue;
    }
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(name, ignored)) {
      const std::string ending = entry.path().extension();
      if (ending == ".yaml" || ending == ".yml" || ending == ".json")
        files.push_back(entry.path().string());
    }
    if (files.empty()) return invalid(name + ": there is no .yaml, .yml or .json in it");
    std::ranges::sort(files);
    for (const std::string& file : files) {
      SERIN_TRY_ASSIGN(auto manifest, read_manifest_file(file));
      found.push_back(std::move(manifest));
    }
  }
  return found;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - row[i].size() + 3, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

std::string to_yaml(const json::value& value) {
  std::string out;
  append_yaml(value, "", out);
  return out;
}

std::string formatted(const json::value& value, const std::string& form) {
  return form == "yaml" ? to_yaml(value) : json::serialize(value) + "\n";
}

const json::value& at(const json::value& object, std::string_view field) {
  static const json::value kNull;
  const auto* fields = object.if_object();
  const auto* found = fields == nullptr ? nullptr : fields->if_contains(field);
  return found == nullptr ? kNull : *found;
}

std::string text_at(const json::value& object, std::string_view field) {
  const json::value& value = at(object, field);
  if (const auto* text = value.if_string()) return std::string(*text);
  return value.is_null() ? std::string() : json::serialize(value);
}

double number_at(const json::value& object, std::string_view field) {
  const json::value& value = at(object, field);
  return value.is_number() ? value.to_number<double>() : 0;
}

std::string seconds_text(const json::value& seconds) {
  if (!seconds.is_number()) return "-";
  const auto number = seconds.to_number<double>();
  return number < 1 ? plain("%.0f ms", number * 1000) : plain("%.2f s", number);
}

std::string percent_text(double share) {
  return plain(share > 0 && share < 0.01 ? "%.2f %%" : "%.1f %%", share * 100);
}

std::string rate_text(double per_second) { return plain("%.1f/s", per_second); }

}  // namespace serin::cli
