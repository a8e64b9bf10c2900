// SPDX-License-Identifier: Apache-2.0
#include "gateway/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "base/log.h"
#include "gateway/json_line.h"

namespace serin::gateway {
void append_access_line(std::string& lines, const AccessLine& line) {
  JsonLine json(lines);
  json.text("time", log::timestamp(line.time));
  json.text("id", line.id);
  json.text("peer", line.peer);
  if (!line.client.empty()) json.text("client", line.client);
  json.text("method", line.method);
  json.text("path", line.path);
  json.text("service", line.service);
  json.text("version", line.version);
  json.text("replica", line.replica);
  json.count("status", line.status);
  json.text("end", line.end);
  json.count("retries", line.retries);
  json.count("bytes_in", line.bytes_in);
  json.count("bytes_out", line.bytes_out);
  json.fixed("seconds", line.seconds, 6);
  if (line.first_byte >= 0) json.fixed("first_byte_seconds", line.first_byte, 6);
  json.close();
  lines += '\n';
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
