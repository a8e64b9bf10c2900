// SPDX-License-Identifier: Apache-2.0
#include "gateway/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/files.h"
#include "base/json.h"
#include "base/log.h"

namespace serin::gateway {
namespace {

void put_text(std::string& line, std::string_view name, std::string_view text) {
  line += ",\"";
  line += name;
  line += "\":";
  line += json::serialize(json::string(text));
}

void put_number(std::string& line, std::string_view name, double number, int decimals) {
  char digits[40];
  const int size = std::snprintf(digits, sizeof digits, "%.*f", decimals, number);
  line += ",\"";
  line += name;
  line += "\":";
  line.append(digits, static_cast<std::size_t>(size));
}

}  // namespace

void append_access_line(std::string& lines, const AccessLine& line) {
  lines += "{\"time\":\"" + log::timestamp(line.time) + '"';
  put_text(lines, "id", line.id);
  put_text(lines, "peer", line.peer);
  if (!line.client.empty()) put_text(lines, "client", line.client);
  put_text(lines, "method", line.method);
  put_text(lines, "path", line.path);
  put_text(lines, "service", line.service);
  put_text(lines, "version", line.version);
  put_text(lines, "replica", line.replica);
  put_number(lines, "status", line.status, 0);
  put_text(lines, "end", line.end);
  put_number(lines, "retries", line.retries, 0);
  put_number(lines, "bytes_in", static_cast<double>(line.bytes_in), 0);
  put_number(lines, "bytes_out", static_cast<double>(line.bytes_out), 0);
  put_number(lines, "seconds", line.seconds, 6);
  if (line.first_byte >= 0) put_number(lines, "first_byte_seconds", line.first_byte, 6);
  lines += "}\n";
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::filesystem::path& path) {
  if (path.empty()) return std::unique_ptr<AccessLog>(new AccessLog(Descriptor()));
  const int file = path == "-"
                       ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                       : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return fail(error_of_errno(errno, "the access log " + path.string()));
  return std::unique_ptr<AccessLog>(new AccessLog(Descriptor(file)));
}

void AccessLog::write(std::string& lines) {
  std::string_view left = lines;
  while (!left.empty()) {
    const ssize_t written = ::write(file_.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  lines.clear();
}

}  // namespace serin::gateway
