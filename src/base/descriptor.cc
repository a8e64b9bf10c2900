// SPDX-License-Identifier: Apache-2.0
#include "base/descriptor.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include "base/files.h"

namespace serin {

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Result<Descriptor> open_lock(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.open()) return fail(error_of_errno(errno, "cannot open " + path.string()));
  return file;
}

Status lock_file(const Descriptor& file, std::string_view name, const CancelToken& cancel) {
  constexpr std::chrono::milliseconds kPoll{5};
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail(error_of_errno(errno, "cannot lock " + std::string(name)));
    if (cancel.cancelled())
      return fail(Code::kCancelled, "cancelled while waiting for " + std::string(name));
    std::this_thread::sleep_for(kPoll);
  }
  return {};
}

}  // namespace serin
