// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <cstdlib>
#include <fstream>

#include "base/descriptor.h"
#include "base/digest.h"
#include "base/file_head.h"
#include "base/file_stamp.h"

namespace serin {
namespace {

TEST(Files, AreReadAsTheyWereWritten) {
  const auto folder = TemporaryDirectory::create();
  ASSERT_TRUE(folder.has_value());
  const auto path = folder->path() / "a";
  const std::string bytes("a\0b", 3);
  ASSERT_TRUE(write_file(path, bytes).has_value());
  EXPECT_EQ(*read_file(path), bytes);
  ASSERT_TRUE(write_file(path, "second").has_value());
  EXPECT_EQ(*read_file(path), "second");
  // Nothing is left of the temporary file.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder->path()), {}), 1);
}

TEST(Files, AboveTheLimitAreRefused) {
  const auto folder = TemporaryDirectory::create();
  const auto path = folder->path() / "a";
  ASSERT_TRUE(write_file(path, "12345").has_value());
  EXPECT_EQ(read_file(path, 4).error().code, Code::kOutOfRange);
  EXPECT_EQ(*read_file(path, 5), "12345");
  EXPECT_EQ(read_file("/dev/zero", 10'000).error().code, Code::kOutOfRange);
}

TEST(Files, HaveAHeadThatIsNotLongerThanTheyAre) {
  const auto folder = TemporaryDirectory::create();
  const auto path = folder->path() / "a";
  ASSERT_TRUE(write_file(path, "12345").has_value());
  EXPECT_EQ(head_of(path, 3), "123");
  EXPECT_EQ(head_of(path, 9), "12345");
  EXPECT_EQ(head_of(folder->path() / "none", 3), "");
  EXPECT_EQ(head_of(folder->path(), 3), "");
}

TEST(Files, OfTheSystemWithoutASizeAreReadToTheirEnd) {
  EXPECT_GT(read_file("/proc/self/status")->size(), 100u);
}

TEST(Files, ThatCannotBeReadSayWhy) {
  const Result<std::string> missing = read_file("/nowhere/at/all");
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_NE(missing.error().message.find("/nowhere/at/all"), std::string::npos);
  EXPECT_FALSE(read_file("/").has_value());
}

TEST(Files, ThatCannotBeWrittenLeaveTheOldOne) {
  const auto folder = TemporaryDirectory::create();
  const auto path = folder->path() / "name";
  std::filesystem::create_directory(path);
  std::ofstream(path / "inside") << "x";
  EXPECT_FALSE(write_file(path, "text").has_value());
  EXPECT_TRUE(std::filesystem::exists(path / "inside"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder->path()), {}), 1);
  EXPECT_EQ(write_file(folder->path() / "no" / "such", "").error().code, Code::kNotFound);
}

TEST(Files, ThatAreOpenAreAtTheirPathUntilAnotherIs) {
  const auto folder = TemporaryDirectory::create();
  const auto path = folder->path() / "a";
  ASSERT_TRUE(write_file(path, "first").has_value());
  const Descriptor open(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(is_at(path, open.get()));
  ASSERT_TRUE(write_file(path, "second").has_value());
  EXPECT_FALSE(is_at(path, open.get()));
  std::filesystem::remove(path);
  EXPECT_FALSE(is_at(path, open.get()));
}

TEST(TemporaryDirectories, ArePrivateAndGoWithTheirOwner) {
  std::filesystem::path path;
  {
    auto folder = TemporaryDirectory::create("name");
    ASSERT_TRUE(folder.has_value());
    path = folder->path();
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    std::filesystem::create_directory(path / "sub");
    std::ofstream(path / "sub" / "file") << "x";
    const TemporaryDirectory moved = std::move(*folder);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CacheDirectory, FollowsTheEnvironment) {
  ::setenv("SERIN_CACHE", "/a", 1);
  EXPECT_EQ(cache_directory(), "/a");
  ::unsetenv("SERIN_CACHE");
  ::setenv("XDG_CACHE_HOME", "/b", 1);
  EXPECT_EQ(cache_directory(), "/b/serin");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", "/c", 1);
  EXPECT_EQ(cache_directory(), "/c/.cache/serin");
}

TEST(Digests, AreThoseOfFips180) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 pieces;
  pieces.update("a");
  pieces.update("");
  pieces.update("bc");
  EXPECT_EQ(pieces.hex(), sha256_hex("abc"));
}

TEST(Digests, OfFilesAreReadInPieces) {
  const auto folder = TemporaryDirectory::create();
  const std::string million(1'000'000, 'a');
  ASSERT_TRUE(write_file(folder->path() / "a", million).has_value());
  EXPECT_EQ(*sha256_hex_of_file(folder->path() / "a"),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256_hex_of_file(folder->path() / "b").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace serin
