// SPDX-License-Identifier: Apache-2.0
#include "objects/download.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/descriptor.h"
#include "base/files.h"
#include "base/write_all.h"

namespace serin::objects {
namespace {

namespace fs = std::filesystem;

std::uint64_t size_of(const std::vector<Part>& parts) {
  std::uint64_t size = 0;
  for (const Part& part : parts) size += part.size;
  return size;
}

Status fetch(const fs::path& to, std::uint64_t size, const ReadFrom& read) {
  const Descriptor file(::open(to.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!file.open()) return fail(error_of_errno(errno, "cannot open " + to.string()));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0)
    return fail(error_of_errno(errno, "cannot read " + to.string()));
  auto have = static_cast<std::uint64_t>(status.st_size);
  if (have > size && ::ftruncate(file.get(), 0) == 0) have = 0;
  if (have < size) {
    SERIN_TRY(read(have, [&](std::string_view bytes) -> Status {
      have += bytes.size();
      return write_all(file, bytes, to.string());
    }));
  }
  if (have == size) return {};
  return fail(Code::kDataLoss, "it has " + std::to_string(have) + " bytes, not the announced " +
                                   std::to_string(size));
}

Result<std::vector<std::string>> check(const fs::path& file, const std::vector<Part>& parts) {
  std::vector<std::string> digests;
  SERIN_TRY_ASSIGN(const Body body, Body::file(file));
  std::uint64_t at = 0;
  for (const Part& part : parts) {
    SERIN_TRY_ASSIGN(std::string digest, body.piece(at, part.size).sha256());
    at += part.size;
    if (!part.sha256.empty() && digest != part.sha256) {
      return fail(Code::kDataLoss,
                  "its SHA-256 is " + digest + ", not the promised " + part.sha256);
    }
    digests.push_back(std::move(digest));
  }
  return digests;
}

}  // namespace

Result<std::vector<std::string>> download(const fs::path& to, const std::vector<Part>& parts,
                                          const ReadFrom& read) {
  std::error_code ignored;
  const Status fetched = fetch(to, size_of(parts), read);
  if (!fetched && fetched.error().code == Code::kDataLoss) fs::remove(to, ignored);
  SERIN_TRY(fetched);
  auto digests = check(to, parts);
  if (!digests) fs::remove(to, ignored);
  return digests;
}

}  // namespace serin::objects
