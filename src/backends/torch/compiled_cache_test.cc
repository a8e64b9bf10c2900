// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/compiled_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>

#include "base/files.h"

namespace serin::backends {
namespace {

namespace fs = std::filesystem;

class CompiledCacheTest : public testing::Test {
 protected:
  CompiledEntry kept(const std::string& key, const std::string& code = "machine code") {
    return kept(cache_, key, code);
  }
  CompiledEntry kept(const CompiledCache& cache, const std::string& key, const std::string& code) {
    const fs::path made = folder_.path() / "made";
    fs::create_directory(made);
    EXPECT_TRUE(write_file(made / "model.so", code).has_value());
    auto entry = cache.keep(key, made, json::object{{"written", json::array{true}}});
    EXPECT_TRUE(entry.has_value()) << entry.error().message;
    return *entry;
  }
  std::string why_not(const std::string& key) {
    std::string reason = "it is used";
    return cache_.find(key, &reason) ? "it is used" : reason;
  }
  static std::string key_of(char digit) { return std::string(64, digit); }

  TemporaryDirectory folder_ = TemporaryDirectory::create().value();
  CompiledCache cache_{folder_.path() / "compiled", "file"};
};

TEST_F(CompiledCacheTest, GivesBackWhatWasKept) {
  std::string reason;
  EXPECT_FALSE(cache_.find(key_of('a'), &reason).has_value());
  EXPECT_TRUE(reason.empty());  // nothing is there, so nothing is wrong
  kept(key_of('a'));
  const auto found = cache_.find(key_of('a'));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*read_file(found->folder / "model.so"), "machine code");
  EXPECT_EQ(found->about, (json::value{{"written", json::array{true}}}));
  EXPECT_FALSE(cache_.find(key_of('b')).has_value());
}

TEST_F(CompiledCacheTest, IsForItsOwnerAlone) {
  const CompiledEntry entry = kept(key_of('a'));
  for (const fs::path& path :
       {folder_.path() / "compiled", folder_.path() / "compiled/file", entry.folder}) {
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U) << path;
  }
  ::chmod(entry.folder.c_str(), 0770);
  EXPECT_EQ(why_not(key_of('a')), "others may look into it or change it");
}

TEST_F(CompiledCacheTest, DoesNotUseWhatSomebodyChanged) {
  const CompiledEntry entry = kept(key_of('a'));
  ASSERT_TRUE(write_file(entry.folder / "model.so", "machine cOde").has_value());
  EXPECT_EQ(why_not(key_of('a')), "its files are not those that were written there");
  kept(key_of('a'));  // made again in its place
  EXPECT_EQ(why_not(key_of('a')), "it is used");
  ASSERT_TRUE(write_file(entry.folder / "model.json", "{}").has_value());
  EXPECT_EQ(why_not(key_of('a')), "its files are not those that were written there");
}

TEST_F(CompiledCacheTest, DoesNotUseAnotherEntrysFilesOrLinks) {
  const CompiledEntry a = kept(key_of('a')), b = kept(key_of('b'), "other code");
  fs::remove_all(b.folder);
  fs::rename(a.folder, b.folder);
  EXPECT_NE(why_not(key_of('b')), "it is used");
  fs::create_directory_symlink(b.folder, a.folder);
  EXPECT_EQ(why_not(key_of('a')), "it is no folder");
  const CompiledEntry c = kept(key_of('c'));
  fs::remove(c.folder / "model.so");
  fs::create_symlink("/bin/true", c.folder / "model.so");
  EXPECT_NE(why_not(key_of('c')), "it is used");
}

TEST_F(CompiledCacheTest, ClearsAwayWhatAnInterruptedProcessLeft) {
  const auto lock = cache_.lock(key_of('a'));
  ASSERT_TRUE(lock.has_value());
  const auto place = cache_.workplace(key_of('a'));
  ASSERT_TRUE(place.has_value());
  ASSERT_TRUE(write_file(*place / "half", "x").has_value());
  ASSERT_EQ(*cache_.workplace(key_of('a')), *place);
  EXPECT_TRUE(fs::is_empty(*place));
}

TEST_F(CompiledCacheTest, KeepsABoundedNumberOfEntries) {
  const CompiledCache other(folder_.path() / "compiled", "other");
  for (std::size_t i = 0; i < CompiledCache::kMostEntries + 3; ++i) {
    std::string key = std::to_string(100 + i);
    key.resize(64, '0');
    const CompiledEntry entry = kept(i % 2 == 0 ? cache_ : other, key, "machine code");
    fs::last_write_time(entry.folder, fs::file_time_type::clock::now() -
                                          std::chrono::hours(1000 - static_cast<int>(i)));
  }
  kept(key_of('f'));
  std::size_t entries = 0;
  for (const char* file : {"file", "other"})
    for (const auto& entry : fs::directory_iterator(folder_.path() / "compiled" / file))
      entries += entry.is_directory() ? 1 : 0;
  EXPECT_EQ(entries, CompiledCache::kMostEntries);
  EXPECT_EQ(why_not(key_of('f')), "it is used");  // the newest stays
}

TEST_F(CompiledCacheTest, HasAnotherKeyForEachThingThatTheCodeDependsOn) {
  const CompileKey key{"file", "model", "2.11.0", "cpu", 1};
  EXPECT_EQ(digest_of(key), digest_of(key));
  EXPECT_EQ(digest_of(key).size(), 64U);
  for (const CompileKey& other : {CompileKey{"other", "model", "2.11.0", "cpu", 1},
                                  {"file", "named", "2.11.0", "cpu", 1},
                                  {"file", "model", "2.12.0", "cpu", 1},
                                  {"file", "model", "2.11.0", "cuda:0", 1},
                                  {"file", "model", "2.11.0", "cpu", 2}}) {
    EXPECT_NE(digest_of(key), digest_of(other));
  }
}

}  // namespace
}  // namespace serin::backends
