// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>

namespace serin::log {
namespace {

bool writes_json(Form form) {
  return form == Form::kJson || (form == Form::kAuto && ::isatty(STDERR_FILENO) == 0);
}

std::atomic<Settings> configured{Settings{}};
std::atomic<bool> as_json{writes_json(Form::kAuto)};

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "info";
}

std::string readable(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

// A reader of a terminal sees one line an entry whatever the message holds.
std::string one_line(std::string text) {
  for (char& letter : text) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = ' ';
  }
  return text;
}

}  // namespace

std::string timestamp(std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(time - day));
  std::string text = "0000-00-00T00:00:00.000Z";
  const auto put = [&text](std::size_t end, auto number) {
    for (; number > 0; number /= 10) text[--end] = static_cast<char>('0' + number % 10);
  };
  put(4, static_cast<int>(date.year()));
  put(7, static_cast<unsigned>(date.month()));
  put(10, static_cast<unsigned>(date.day()));
  put(13, clock.hours().count());
  put(16, clock.minutes().count());
  put(19, clock.seconds().count());
  put(23, clock.subseconds().count());
  return text;
}

std::string format_json(std::chrono::system_clock::time_point time, Level level,
                        std::string_view message, std::initializer_list<Field> fields) {
  json::object entry;
  entry["time"] = timestamp(time);
  entry["level"] = name_of(level);
  entry["message"] = message;
  for (const Field& field : fields) entry[field.name] = field.value;
  return json::serialize(entry) + "\n";
}

std::string format_text(std::chrono::system_clock::time_point time, Level level,
                        std::string_view message, std::initializer_list<Field> fields) {
  std::string line = timestamp(time).substr(11, 12);
  line += ' ';
  line += name_of(level);
  line.append(8 - name_of(level).size(), ' ');
  line += one_line(std::string(message));
  for (const Field& field : fields) {
    line += "  ";
    line += field.name;
    line += '=';
    line += one_line(readable(field.value));
  }
  return line + "\n";
}

void configure(Settings settings) {
  configured.store(settings);
  as_json.store(writes_json(settings.form));
}

Settings settings() { return configured.load(); }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (level < configured.load(std::memory_order_relaxed).least) return;
  const auto time = std::chrono::system_clock::now();
  const std::string line = as_json.load(std::memory_order_relaxed)
                               ? format_json(time, level, message, fields)
                               : format_text(time, level, message, fields);
  // One write an entry, so that lines of threads and processes do not mix.
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace serin::log
