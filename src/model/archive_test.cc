// SPDX-License-Identifier: Apache-2.0
#include "model/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "model/package_samples.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

struct Item {
  std::string path;
  unsigned type = AE_IFREG;
  std::string content = {};
  std::string link = {};
};

// A tar archive such as pack_package would never write.
std::string archive_of(const std::vector<Item>& items) {
  std::string bytes(std::size_t{32} << 20, '\0');
  std::size_t used = 0;
  archive* out = archive_write_new();
  archive_write_set_format_pax_restricted(out);
  archive_write_add_filter_zstd(out);
  archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
  for (const Item& item : items) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.path.c_str());
    archive_entry_set_filetype(entry, item.type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(item.content.size()));
    if (item.type == AE_IFLNK) archive_entry_set_symlink(entry, item.link.c_str());
    if (item.type == AE_IFREG && !item.link.empty())
      archive_entry_set_hardlink(entry, item.link.c_str());
    archive_write_header(out, entry);
    archive_write_data(out, item.content.data(), item.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
  bytes.resize(used);
  return bytes;
}

class ArchiveTest : public testing::Test {
 protected:
  std::string refusal(const std::vector<Item>& items, const UnpackLimits& limits = {}) const {
    const fs::path folder = directory_.path() / "out";
    fs::create_directory(folder);
    const auto status = unpack_bytes(archive_of(items), folder, limits);
    fs::remove_all(folder);
    return status ? "unpacked" : status.error().message;
  }
  fs::path path(std::string_view name) const { return directory_.path() / name; }

  TemporaryDirectory directory_ = TemporaryDirectory::create("archive").value();
};

TEST_F(ArchiveTest, GivesThePackageBack) {
  const Package package = samples::make_package(path("small"));
  fs::create_directories(package.root / "attestations");
  ASSERT_TRUE(write_file(package.root / "attestations/cpu.json", "{}"));
  ASSERT_TRUE(pack_package(package.root, path("small.serin")));
  const auto unpacked = unpack_package(path("small.serin"), path("again"));
  ASSERT_TRUE(unpacked.has_value()) << unpacked.error().message;
  EXPECT_EQ(unpacked->digest, package.digest);
  EXPECT_EQ(unpacked->root, path("again"));
  EXPECT_EQ(read_file(path("again") / "model.pt").value(), "weights");
  EXPECT_EQ(read_file(path("again") / "attestations/cpu.json").value(), "{}");
}

TEST_F(ArchiveTest, IsTheSameBytesForTheSamePackage) {
  samples::make_package(path("one"));
  samples::make_package(path("two"));
  fs::last_write_time(path("two") / "model.pt",
                      fs::file_time_type::clock::now() - std::chrono::hours(5));
  fs::permissions(path("two") / "model.pt", fs::perms::owner_all);
  ASSERT_TRUE(pack_package(path("one"), path("one.serin")));
  ASSERT_TRUE(pack_package(path("two"), path("two.serin")));
  EXPECT_EQ(read_file(path("one.serin")).value(), read_file(path("two.serin")).value());
}

TEST_F(ArchiveTest, KeepsNamesThatAreNotAscii) {
  const Package package = samples::make_package(path("small"));
  ASSERT_TRUE(write_file(package.root / "größe.txt", "x"));
  ASSERT_TRUE(seal_package(package.root));
  ASSERT_TRUE(pack_package(package.root, path("small.serin")));
  const auto unpacked = unpack_package(path("small.serin"), path("again"));
  ASSERT_TRUE(unpacked.has_value()) << unpacked.error().message;
  EXPECT_TRUE(fs::exists(path("again") / "größe.txt"));
}

TEST_F(ArchiveTest, IsNotMadeOfAnAlteredPackage) {
  const Package package = samples::make_package(path("small"));
  ASSERT_TRUE(write_file(package.root / "model.pt", "weightz"));
  const auto packed = pack_package(package.root, path("small.serin"));
  ASSERT_FALSE(packed.has_value());
  EXPECT_EQ(packed.error().code, Code::kDataLoss);
  EXPECT_FALSE(fs::exists(path("small.serin")));
}

TEST_F(ArchiveTest, LeavesNothingBehindWhenWhatItHoldsIsNoPackage) {
  ASSERT_TRUE(write_file(path("bad.serin"), archive_of({{.path = "x", .content = "y"}})));
  const auto unpacked = unpack_package(path("bad.serin"), path("out"));
  ASSERT_FALSE(unpacked.has_value());
  EXPECT_EQ(unpacked.error().message,
            path("bad.serin").string() + ": there is no model.yaml, so it is not a package");
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(ArchiveTest, DoesNotOverwriteAFolder) {
  const Package package = samples::make_package(path("small"));
  ASSERT_TRUE(pack_package(package.root, path("small.serin")));
  EXPECT_EQ(unpack_package(path("small.serin"), path("small")).error().code, Code::kAlreadyExists);
}

TEST_F(ArchiveTest, RefusesPathsThatLeaveTheFolder) {
  EXPECT_EQ(refusal({{.path = "../evil"}}),
            "\"../evil\": must not contain '.' or '..'; it may not leave the package");
  EXPECT_EQ(refusal({{.path = "a/../../evil"}}),
            "\"a/../../evil\": must not contain '.' or '..'; it may not leave the package");
  EXPECT_EQ(refusal({{.path = "/etc/evil"}}),
            "\"/etc/evil\": must not be absolute; paths begin at the package");
  EXPECT_EQ(refusal({{.path = "../up/", .type = AE_IFDIR}}),
            "\"../up\": must not contain '.' or '..'; it may not leave the package");
}

TEST_F(ArchiveTest, RefusesLinksAndDevices) {
  EXPECT_EQ(refusal({{.path = "l", .type = AE_IFLNK, .link = "/etc/passwd"}}),
            "\"l\": is a symbolic link, which a package may not hold");
  EXPECT_EQ(refusal({{.path = "a", .content = "x"}, {.path = "b", .link = "a"}}),
            "\"b\": is a hard link, which a package may not hold");
  EXPECT_EQ(refusal({{.path = "d", .type = AE_IFCHR}}),
            "\"d\": is a special file, which a package may not hold");
  EXPECT_EQ(refusal({{.path = "p", .type = AE_IFIFO}}),
            "\"p\": is a special file, which a package may not hold");
}

TEST_F(ArchiveTest, RefusesTwoEntriesInOnePlace) {
  EXPECT_EQ(refusal({{.path = "a", .content = "1"}, {.path = "a", .content = "2"}}),
            "\"a\": stands twice");
  EXPECT_NE(refusal({{.path = "a", .content = "1"}, {.path = "a/b", .content = "2"}})
                .find("\"a/b\": cannot be made"),
            std::string::npos);
}

TEST_F(ArchiveTest, StopsAtItsLimits) {
  const std::string zeros(std::size_t{8} << 20, '\0');
  EXPECT_EQ(refusal({{.path = "a", .content = zeros}}, {.bytes = 1000}),
            "\"a\": has more than 1000 bytes");
  EXPECT_EQ(refusal({{.path = "a", .content = zeros}}, {.ratio = 100, .ratio_from = 1 << 20}),
            "\"a\": has more than 100 bytes for each compressed byte");
  EXPECT_EQ(refusal({{.path = "a"}, {.path = "b"}, {.path = "c"}}, {.entries = 2}),
            "has more than 2 entries");
}

TEST_F(ArchiveTest, SaysWhatIsNoArchive) {
  const fs::path folder = path("empty");
  fs::create_directory(folder);
  EXPECT_NE(unpack_bytes("hello", folder).error().message.find("is not a tar archive, or is cut"),
            std::string::npos);
  const std::string whole = archive_of({{.path = "a", .content = std::string(100'000, 'x')}});
  EXPECT_FALSE(
      unpack_bytes(std::string_view(whole).substr(0, whole.size() / 2), folder).has_value());
  EXPECT_EQ(unpack_package(path("nothing"), path("x")).error().code, Code::kNotFound);
}

// A tar archive with this one file, through a filter of libarchive.
objects::Body archive_with(const fs::path& root, const std::string& name,
                           int (*filter)(::archive*)) {
  const std::string content = *read_file(root / name);
  std::string bytes(content.size() + (std::size_t{1} << 16), '\0');
  std::size_t used = 0;
  ::archive* out = archive_write_new();
  archive_write_set_format_pax_restricted(out);
  filter(out);
  archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
  archive_write_header(out, entry);
  archive_write_data(out, content.data(), content.size());
  archive_entry_free(entry);
  archive_write_close(out);
  archive_write_free(out);
  bytes.resize(used);
  return objects::Body::bytes(bytes);
}

TEST_F(ArchiveTest, MayBeSeveralEachCompressedInItsOwnWay) {
  const Package package = samples::make_package(path("package"));
  const std::vector archives = {
      archive_with(package.root, "model.pt", archive_write_add_filter_gzip),
      archive_with(package.root, "golden/0.y.npy", archive_write_add_filter_none),
      archive_with(package.root, "model.yaml", archive_write_add_filter_zstd)};
  const auto unpacked = unpack_package(archives, path("out"));
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_EQ(unpacked->digest, package.digest);
  // A limit is for all of them.
  UnpackLimits limits;
  limits.entries = 2;
  const auto refused = unpack_package(archives, path("other"), limits);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_FALSE(fs::exists(path("other")));
}

}  // namespace
}  // namespace serin::model
