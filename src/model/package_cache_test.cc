// SPDX-License-Identifier: Apache-2.0
#include "model/package_cache.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/digest.h"
#include "model/archive.h"
#include "model/package_samples.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The archive of a small package, as a source of bytes that counts how often and from where it is
// read, and that can be cut.
class PackageCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path root = folder_->path() / "package";
    digest_ = samples::make_package(root).digest;
    ASSERT_TRUE(pack_package(root, folder_->path() / "p.serin"));
    bytes_ = *read_file(folder_->path() / "p.serin");
  }

  Archive archive(const std::string& identity = "one") {
    Archive archive{"somewhere", identity, {{bytes_.size(), sha256_hex(bytes_)}}, {}};
    archive.read = [this](std::uint64_t offset, const auto& sink) -> Status {
      offsets_.push_back(offset);
      const std::string_view rest = std::string_view(bytes_).substr(offset);
      SERIN_TRY(sink(rest.substr(0, cut_after_)));
      if (rest.size() <= cut_after_) return {};
      cut_after_ = std::string::npos;
      return fail(Code::kUnavailable, "cut");
    };
    return archive;
  }

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("package-cache");
  PackageCache cache_{folder_->path() / "cache", std::uint64_t{1} << 30};
  std::string digest_, bytes_;
  std::vector<std::uint64_t> offsets_;
  std::size_t cut_after_ = std::string::npos;
};

TEST_F(PackageCacheTest, FetchesOnce) {
  const auto first = cache_.get(archive(), {});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->digest, digest_);
  EXPECT_TRUE(open_package(first->root, Verify::kDigests));
  EXPECT_EQ(cache_.get(archive(), {})->root, first->root);
  EXPECT_EQ(offsets_.size(), 1U);
}

TEST_F(PackageCacheTest, KeepsOneCopyOfAPackageFromTwoPlaces) {
  EXPECT_EQ(cache_.get(archive("one"), {})->root, cache_.get(archive("two"), {})->root);
}

TEST_F(PackageCacheTest, KeepsArchivesApartThatDifferInTheirSignaturesAlone) {
  const auto first = cache_.get(archive("one"), {});
  const fs::path root = folder_->path() / "package";
  ASSERT_TRUE(write_file(root / "model.sig", "{}"));
  ASSERT_TRUE(pack_package(root, folder_->path() / "signed.serin"));
  bytes_ = *read_file(folder_->path() / "signed.serin");
  const auto second = cache_.get(archive("two"), {});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->digest, first->digest);
  EXPECT_TRUE(fs::exists(second->root / "model.sig"));
  EXPECT_FALSE(fs::exists(first->root / "model.sig"));
}

TEST_F(PackageCacheTest, FetchesAgainWhatSomebodySpoiled) {
  const fs::path root = cache_.get(archive(), {})->root;
  fs::remove(root / "model.pt");
  const auto again = cache_.get(archive(), {});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(open_package(again->root, Verify::kDigests));
}

TEST_F(PackageCacheTest, GoesOnWhereItWasCut) {
  cut_after_ = bytes_.size() / 2;
  EXPECT_FALSE(cache_.get(archive(), {}));
  EXPECT_TRUE(cache_.get(archive(), {}));
  EXPECT_EQ(offsets_, (std::vector<std::uint64_t>{0, bytes_.size() / 2}));
}

TEST_F(PackageCacheTest, RefusesOtherBytesThanThePromisedOnesAndStartsAnew) {
  Archive lies = archive();
  lies.parts[0].sha256 = std::string(64, '0');
  const auto refused = cache_.get(lies, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kDataLoss);
  EXPECT_THAT(refused.error().message, HasSubstr(sha256_hex(bytes_)));
  EXPECT_TRUE(cache_.get(archive(), {}));
}

TEST_F(PackageCacheTest, RefusesAnArchiveThatIsShort) {
  Archive shorter = archive();
  shorter.parts[0].size += 1;
  EXPECT_EQ(cache_.get(shorter, {}).error().code, Code::kDataLoss);
}

TEST_F(PackageCacheTest, LetsManyWantItAtOnce) {
  std::vector<Archive> archives(8, archive());
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (const Archive& one : archives) {
      threads.emplace_back([&] {
        if (cache_.get(one, {})) ++good;
      });
    }
  }
  EXPECT_EQ(good, 8);
  EXPECT_EQ(offsets_.size(), 1U);
}

TEST_F(PackageCacheTest, RemovesWhatNobodyUsesAndKeepsWhatSomebodyDoes) {
  const PackageCache small(folder_->path() / "cache", 1);
  auto held = small.get(archive(), {});
  ASSERT_TRUE(held);
  EXPECT_TRUE(fs::exists(held->root));
  const fs::path root = held->root;
  held->lock = Descriptor();
  // Another package comes; the first one goes.
  const fs::path other = folder_->path() / "other";
  samples::make_package(other);
  ASSERT_TRUE(write_file(other / "more.bin", "more"));
  ASSERT_TRUE(seal_package(other));
  ASSERT_TRUE(pack_package(other, folder_->path() / "other.serin"));
  bytes_ = *read_file(folder_->path() / "other.serin");
  ASSERT_TRUE(small.get(archive("other"), {}));
  EXPECT_FALSE(fs::exists(root));
}

}  // namespace
}  // namespace serin::model
