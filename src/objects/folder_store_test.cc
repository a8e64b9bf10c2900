// SPDX-License-Identifier: Apache-2.0
// What is a folder's alone; the rest is in contract_test.cc.
#include "objects/folder_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/digest.h"
#include "base/files.h"

namespace serin::objects {
namespace {

namespace fs = std::filesystem;

class FolderStoreTest : public testing::Test {
 protected:
  void SetUp() override { store_ = open(); }
  std::unique_ptr<ObjectStore> open() { return *create_folder_store(folder_->path()); }
  Result<ObjectInfo> put(std::string_view key, std::string bytes) {
    return store_->put(key, Body::bytes(std::move(bytes)), Condition::none(), {});
  }
  std::size_t temporaries() const {
    const fs::directory_iterator files(folder_->path() / ".serin/tmp");
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("folder-store");
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(FolderStoreTest, ReadsNothingThroughLinks) {
  const auto outside = TemporaryDirectory::create();
  ASSERT_TRUE(write_file(outside->path() / "secret", "s"));
  fs::create_symlink(outside->path() / "secret", folder_->path() / "link");
  fs::create_directory_symlink(outside->path(), folder_->path() / "folder");
  EXPECT_FALSE(get_bytes(*store_, "link", 10));
  EXPECT_FALSE(get_bytes(*store_, "folder/secret", 10));
  EXPECT_FALSE(put("folder/new", "x"));
  EXPECT_FALSE(store_->remove("folder/secret", {}));
  EXPECT_TRUE(fs::exists(outside->path() / "secret"));
  EXPECT_TRUE(store_->list("", "", {})->objects.empty());
}

TEST_F(FolderStoreTest, WritesOverALinkInsteadOfThroughIt) {
  const auto outside = TemporaryDirectory::create();
  ASSERT_TRUE(write_file(outside->path() / "kept", "kept"));
  fs::create_symlink(outside->path() / "kept", folder_->path() / "link");
  ASSERT_TRUE(put("link", "new"));
  EXPECT_EQ(*get_bytes(*store_, "link", 10), "new");
  EXPECT_EQ(*read_file(outside->path() / "kept"), "kept");
}

TEST_F(FolderStoreTest, CannotHoldAKeyBelowAnother) {
  ASSERT_TRUE(put("a", "x"));
  const auto below = put("a/b", "y");
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().code, Code::kFailedPrecondition);
  ASSERT_TRUE(put("c/d", "x"));
  EXPECT_FALSE(put("c", "y"));
}

TEST_F(FolderStoreTest, HidesAndForgetsWhatAKilledWriterLeft) {
  const pid_t child = ::fork();
  if (child == 0) {
    (void)open()->put("killed", Body::bytes(std::string(std::size_t{256} << 20, 'x')),
                      Condition::none(), {});
    ::_exit(0);
  }
  const fs::path temporary = folder_->path() / ".serin/tmp";
  while (!fs::exists(temporary) || temporaries() == 0) ::usleep(100);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(store_->list("", "", {})->objects.empty());
  EXPECT_EQ(temporaries(), 1U);
  ASSERT_TRUE(put("other", "x"));
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(FolderStoreTest, LeavesTheTemporaryOfALivingWriterAlone) {
  ASSERT_TRUE(put("first", "x"));
  std::string seen;
  // A sink runs while the other store's get is under way; a put in it must not disturb anything.
  ASSERT_TRUE(store_->get("first", {},
                          [&](std::string_view bytes) -> Status {
                            seen = bytes;
                            SERIN_TRY(
                                open()->put("second", Body::bytes("y"), Condition::none(), {}));
                            return {};
                          },
                          {}));
  EXPECT_EQ(seen, "x");
  EXPECT_EQ(*get_bytes(*store_, "second", 10), "y");
}

TEST_F(FolderStoreTest, ListsTenThousandFilesInTheOrderOfKeys) {
  std::vector<std::string> keys;
  for (int i = 0; i < 10'000; ++i) {
    const std::string key =
        "d" + std::to_string(i % 7) + (i % 2 == 0 ? "/" : "-") + std::to_string(i);
    fs::create_directories((folder_->path() / key).parent_path());
    std::ofstream(folder_->path() / key) << 'x';
    keys.push_back(key);
  }
  std::ranges::sort(keys);
  std::vector<std::string> listed;
  std::string from;
  do {
    const auto page = store_->list("d", from, {});
    ASSERT_TRUE(page) << page.error().message;
    ASSERT_LE(page->objects.size(), kPageLimit);
    for (const ObjectInfo& object : page->objects) listed.push_back(object.key);
    from = page->next;
  } while (!from.empty());
  EXPECT_EQ(listed, keys);
}

TEST_F(FolderStoreTest, UsesTheDigestOfTheContentAsEtag) {
  EXPECT_EQ(put("a", "abc")->etag, sha256_hex("abc"));
}

TEST(FolderStore, WantsAFolderThatIsThere) {
  EXPECT_EQ(create_folder_store("/nowhere/at/all").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace serin::objects
