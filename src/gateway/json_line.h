// SPDX-License-Identifier: Apache-2.0
// An object of JSON that is appended to a text member by member: for the lines that every request
// leaves behind, which are never looked at as a value. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace serin::gateway {

class JsonLine {
 public:
  // Outlived by `out`, which nobody else appends to before close().
  explicit JsonLine(std::string& out) : out_(out) { out_ += '{'; }

  void text(std::string_view name, std::string_view value);
  void count(std::string_view name, std::uint64_t value);
  // The shortest form that is read as the same number; null where it is not finite, which JSON has
  // no word for.
  void number(std::string_view name, double value);
  void fixed(std::string_view name, double value, int decimals);
  void flag(std::string_view name, bool value);
  // A member that is an object: written and closed before the next one here.
  JsonLine object(std::string_view name);
  void close() { out_ += '}'; }

 private:
  void name(std::string_view name);

  std::string& out_;
  bool first_ = true;
};

}  // namespace serin::gateway
