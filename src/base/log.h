// SPDX-License-Identifier: Apache-2.0
// One log of the process: one line of JSON an entry, or a readable line on a terminal. Never a
// prompt.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/json.h"

namespace serin::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Form { kAuto, kJson, kText };  // kAuto: text when standard error is a terminal

struct Field {
  // Takes what a json::value can be made of, and strings of every kind.
  template <class T>
  Field(std::string_view field_name, T&& field_value) : name(field_name) {
    if constexpr (std::is_convertible_v<T, std::string_view>) {
      value = std::string_view(field_value);
    } else {
      value = json::value(std::forward<T>(field_value));
    }
  }
  std::string_view name;
  json::value value;
};

// The two forms of an entry, pure; write() picks one.
std::string format_json(std::chrono::system_clock::time_point time, Level level,
                        std::string_view message, std::initializer_list<Field> fields);
std::string format_text(std::chrono::system_clock::time_point time, Level level,
                        std::string_view message, std::initializer_list<Field> fields);
std::string timestamp(std::chrono::system_clock::time_point time);  // "2001-09-09T01:46:40.000Z"

// Which entries are written, and how. Entries go to standard error.
struct Settings {
  Level least = Level::kInfo;
  Form form = Form::kAuto;
};
// Call before threads start. A shared object of ours has a log of its own, and is told the same.
void configure(Settings settings);
Settings settings();

// Safe from any thread; never blocks on anything but standard error. Field names in snake_case.
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kDebug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kWarning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::kError, message, fields);
}

}  // namespace serin::log
