// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/manifest_sections.h"

namespace serin::model {
namespace {

std::string read_package_path(const Value& value) {
  std::string path = value.word();
  if (!value.present()) return path;
  if (std::string wrong = wrong_with_package_path(path); !wrong.empty()) {
    value.wrong(shown(path) + " " + wrong);
  } else if (path == "model.yaml" || path == "model.sig" || path.starts_with("attestations/")) {
    value.wrong(
        shown(path) +
        " is never listed; model.yaml, model.sig and attestations/ stand beside the listed files");
  }
  return path;
}

std::string read_sha256(const Value& value) {
  std::string hex = value.word();
  const bool good = hex.size() == 64 && std::ranges::all_of(hex, [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (value.present() && !good) value.wrong("must be 64 lower-case hexadecimal digits");
  return hex;
}

// "a" and "a/b" cannot both be files.
void check_order(const std::vector<FileEntry>& files, const Value& value) {
  for (std::size_t i = 1; i < files.size(); ++i) {
    const std::string& before = files[i - 1].path;
    const std::string& path = files[i].path;
    const Path place = value.path() / i / "path";
    if (path == before) value.problems().add(place, shown(path) + " stands twice");
    if (path < before)
      value.problems().add(place, shown(path) + " must stand before " + shown(before) +
                                      "; files are sorted by path");
  }
  // A folder's files follow it after names like "a.x" ('.' sorts before '/'), so look each parent
  // up.
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string& path = files[i].path;
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      const auto found = std::ranges::lower_bound(files, parent, {}, &FileEntry::path);
      if (found != files.end() && found->path == parent) {
        value.problems().add(
            value.path() / i / "path",
            shown(parent) + " is listed as a file, so it cannot hold " + shown(path));
      }
    }
  }
}

json::object read_request(const Value& value) {
  if (!value.present()) return {};
  const json::object* object = value.json().if_object();
  if (object == nullptr) {
    value.wrong("must be a mapping: the JSON of a request");
    return {};
  }
  return *object;
}

}  // namespace

std::string wrong_with_package_path(std::string_view path) {
  if (path.empty()) return "must not be empty";
  if (path.size() > 1024) return "must be at most 1024 bytes";
  if (path.front() == '/') return "must not be absolute; paths begin at the package";
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return "must not contain control characters";
    if (c == '\\') return "must not contain a backslash; '/' separates folders";
  }
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment.empty()) return "must not contain an empty segment ('//' or a '/' at the end)";
    if (segment == "." || segment == "..")
      return "must not contain '.' or '..'; it may not leave the package";
    if (segment.size() > 255) return "must not contain a segment of more than 255 bytes";
    begin = end + 1;
  }
  return {};
}

std::optional<std::chrono::microseconds> parse_wait(std::string_view text) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number >= 0) || number > 1e9) return std::nullopt;
  const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  const double scale = unit == "us" ? 1 : unit == "ms" ? 1e3 : unit == "s" ? 1e6 : 0;
  if (scale == 0) return std::nullopt;
  return std::chrono::microseconds(std::llround(number * scale));
}

std::vector<FileEntry> read_files(const Value& value) {
  constexpr std::int64_t kMostBytes = std::int64_t{1} << 50;
  constexpr std::size_t kMostFiles = 20'000;
  std::vector<FileEntry> files;
  const std::vector<Value> items = value.list();
  if (items.size() > kMostFiles) value.wrong("must list at most 20000 files");
  for (const Value& item : items) {
    if (!item.present()) break;
    const Fields fields(item, {"path", "size", "sha256"});
    FileEntry file;
    file.path = read_package_path(fields.required("path"));
    file.size = static_cast<std::uint64_t>(fields.required("size").integer(0, kMostBytes));
    file.sha256 = read_sha256(fields.required("sha256"));
    files.push_back(std::move(file));
  }
  if (!value.problems().any()) check_order(files, value);
  return files;
}

Batching read_batching(const Value& value) {
  constexpr std::int64_t kMostRows = 4096;
  constexpr std::chrono::seconds kLongestWait{10};
  Batching batching;
  if (!value.present()) return batching;
  const Fields fields(value, {"sizes", "maxWait"});
  if (const Value sizes = fields["sizes"]; sizes.present()) {
    batching.sizes.clear();
    for (const Value& item : sizes.list()) {
      const std::int64_t size = item.integer(1, kMostRows, 1);
      if (!batching.sizes.empty() && size <= batching.sizes.back())
        item.wrong("must be greater than the size before it");
      batching.sizes.push_back(size);
    }
    if (batching.sizes.empty()) sizes.wrong("must not be empty");
  }
  if (const Value wait = fields["maxWait"]; wait.present()) {
    const auto parsed = parse_wait(wait.json().is_string() ? wait.text() : "");
    if (!parsed || *parsed > kLongestWait) {
      wait.wrong("must be a time from 0s to 10s with its unit (us, ms or s), such as 2ms");
    } else {
      batching.max_wait = *parsed;
    }
  }
  return batching;
}

std::vector<Golden> read_golden(const Value& value) {
  std::vector<Golden> samples;
  for (const Value& item : value.list()) {
    if (!item.present()) break;
    const Fields fields(item, {"request", "expect", "tolerance"});
    Golden golden;
    golden.request = read_request(fields.required("request"));
    golden.tolerance = fields["tolerance"].number(0, 1e9, 1e-3);
    if (const Value expect = fields["expect"]; expect.present()) {
      if (!expect.json().is_object()) {
        expect.wrong("must be a mapping of outputs to what they give");
        break;
      }
      for (const auto& member : expect.json().get_object()) {
        const Value one(&member.value(), expect.path() / std::string_view(member.key()),
                        expect.problems());
        golden.expect.emplace_back(member.key(), one.text());
      }
    }
    samples.push_back(std::move(golden));
  }
  return samples;
}

}  // namespace serin::model
