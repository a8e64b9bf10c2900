// SPDX-License-Identifier: Apache-2.0
#include "objects/body.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/digest.h"
#include "base/files.h"

namespace serin::objects {

Body Body::bytes(std::string bytes) {
  Body body;
  body.size_ = bytes.size();
  body.bytes_ = std::make_shared<const std::string>(std::move(bytes));
  return body;
}

Result<Body> Body::file(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return fail(error_of_errno(errno, "cannot read " + path.string()));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return fail(error_of_errno(errno, "cannot read " + path.string()));
  if (!S_ISREG(status.st_mode)) return invalid(path.string() + " is not a regular file");
  Body body;
  body.size_ = static_cast<std::uint64_t>(status.st_size);
  body.file_ = std::make_shared<const Descriptor>(std::move(file));
  return body;
}

Body Body::piece(std::uint64_t offset, std::uint64_t size) const {
  SERIN_CHECK(offset <= size_ && size <= size_ - offset);
  Body part = *this;
  part.offset_ += offset;
  part.size_ = size;
  return part;
}

Result<std::size_t> Body::read(std::uint64_t offset, char* to, std::size_t size) const {
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(size, offset < size_ ? size_ - offset : 0));
  if (wanted == 0) return std::size_t{0};
  if (bytes_) {
    std::memcpy(to, bytes_->data() + offset_ + offset, wanted);
    return wanted;
  }
  for (;;) {
    const ssize_t got = ::pread(file_->get(), to, wanted, static_cast<off_t>(offset_ + offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(error_of_errno(errno, "cannot read what is to be stored"));
    if (got == 0) return fail(Code::kDataLoss, "the file became shorter while it was stored");
    return static_cast<std::size_t>(got);
  }
}

Status Body::each(const std::function<Status(std::string_view)>& take) const {
  std::string buffer(std::size_t{1} << 18, '\0');
  for (std::uint64_t at = 0; at < size_;) {
    SERIN_TRY_ASSIGN(const std::size_t got, read(at, buffer.data(), buffer.size()));
    SERIN_TRY(take(std::string_view(buffer).substr(0, got)));
    at += got;
  }
  return {};
}

Result<std::string> Body::sha256() const {
  Sha256 digest;
  SERIN_TRY(each([&](std::string_view piece) -> Status {
    digest.update(piece);
    return {};
  }));
  return digest.hex();
}

Result<std::string> Body::text(std::uint64_t limit) const {
  if (size_ > limit)
    return fail(Code::kOutOfRange, "has " + std::to_string(size_) + " bytes, and may have " +
                                       std::to_string(limit) + " at most");
  std::string text;
  text.reserve(size_);
  SERIN_TRY(each([&](std::string_view piece) -> Status {
    text += piece;
    return {};
  }));
  return text;
}

}  // namespace serin::objects
