// SPDX-License-Identifier: Apache-2.0
#include "objects/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>

#include "base/digest.h"

namespace serin::objects {
namespace {

using testing::HasSubstr;

std::string written(const std::function<Status(TarWriter&)>& write) {
  std::string bytes;
  TarWriter writer([&](std::string_view piece) -> Status {
    bytes += piece;
    return {};
  });
  const auto done = write(writer);
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_TRUE(writer.end());
  return bytes;
}

const std::string kLong = "a/" + std::string(150, 'b') + "/c";

std::string sample() {
  return written([](TarWriter& tar) -> Status {
    SERIN_TRY(tar.folder("a"));
    SERIN_TRY(tar.file("a/one", "1"));
    SERIN_TRY(tar.file(kLong, std::string(1000, 'x')));
    SERIN_TRY(tar.file("größe", ""));
    SERIN_TRY(tar.file(kLong + "ß", ""));
    return {};
  });
}

struct Entry {
  std::string path, content;
  unsigned mode;
  std::int64_t owner, time;
};

// As another program reads it.
std::vector<Entry> read_by_libarchive(const std::string& bytes) {
  std::vector<Entry> entries;
  ::archive* in = archive_read_new();
  archive_read_support_format_tar(in);
  archive_read_set_options(in, "hdrcharset=BINARY");
  EXPECT_EQ(archive_read_open_memory(in, bytes.data(), bytes.size()), ARCHIVE_OK);
  ::archive_entry* entry = nullptr;
  while (archive_read_next_header(in, &entry) == ARCHIVE_OK) {
    std::string content(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    archive_read_data(in, content.data(), content.size());
    entries.push_back({archive_entry_pathname(entry), content,
                       static_cast<unsigned>(archive_entry_perm(entry)), archive_entry_uid(entry),
                       archive_entry_mtime(entry)});
  }
  archive_read_free(in);
  return entries;
}

TEST(Tar, IsWhatOthersRead) {
  const auto entries = read_by_libarchive(sample());
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].path, "a/");
  EXPECT_EQ(entries[0].mode, 0755U);
  EXPECT_EQ(entries[1].content, "1");
  EXPECT_EQ(entries[1].mode, 0644U);
  EXPECT_EQ(entries[2].path, kLong);
  EXPECT_EQ(entries[2].content, std::string(1000, 'x'));
  EXPECT_EQ(entries[3].path, "größe");
  EXPECT_EQ(entries[4].path, kLong + "ß");
  for (const Entry& entry : entries) EXPECT_EQ(entry.owner + entry.time, 0);
}

TEST(Tar, IsTheSameBytesForEver) {
  EXPECT_EQ(sha256_hex(sample()),
            "0520d69cf397e56ddf19f2223e1a6d3fd569ecca09e5884d250849a09422a05b");
}

TEST(Tar, IsLookedIntoWhereItLies) {
  const std::string bytes = sample();
  const auto files = tar_files(Body::bytes(bytes));
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 4U);
  EXPECT_EQ((*files)[0].path, "a/one");
  EXPECT_EQ(bytes.substr((*files)[0].offset, (*files)[0].size), "1");
  EXPECT_EQ((*files)[1].path, kLong);
  EXPECT_EQ(bytes.substr((*files)[1].offset, (*files)[1].size), std::string(1000, 'x'));
  EXPECT_EQ((*files)[2].path, "größe");
}

TEST(Tar, OfOthersIsLookedIntoToo) {
  for (const char* format : {"gnutar", "pax", "ustar"}) {
    std::string bytes(1 << 20, '\0');
    std::size_t used = 0;
    ::archive* out = archive_write_new();
    archive_write_set_format_by_name(out, format);
    archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
    ::archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, ("./" + kLong).c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, 3);
    archive_write_header(out, entry);
    archive_write_data(out, "abc", 3);
    archive_entry_free(entry);
    archive_write_close(out);
    archive_write_free(out);
    bytes.resize(used);
    const auto files = tar_files(Body::bytes(bytes));
    ASSERT_TRUE(files) << format << ": " << files.error().message;
    ASSERT_EQ(files->size(), 1U) << format;
    EXPECT_EQ((*files)[0].path, kLong) << format;
    EXPECT_EQ(bytes.substr((*files)[0].offset, 3), "abc") << format;
  }
}

TEST(Tar, ThatIsCutOrSpoiledIsRefused) {
  const std::string bytes = sample();
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{1100}})
    EXPECT_FALSE(tar_files(Body::bytes(bytes.substr(0, size)))) << size;
  std::string spoiled = bytes;
  spoiled[0] ^= 1;
  const auto files = tar_files(Body::bytes(spoiled));
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().message, HasSubstr("no tar archive"));
}

TEST(Tar, IsNotMadeOfAFileThatChanges) {
  TarWriter tar([](std::string_view) { return Status(); });
  for (const char* content : {"ab", "abcd"}) {
    const auto done =
        tar.file("file", 3, [&](const Sink& sink) { return sink(std::string_view(content)); });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::kAborted);
  }
}

}  // namespace
}  // namespace serin::objects
