// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_layout.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/digest.h"
#include "base/eventually_for_test.h"
#include "base/files.h"
#include "objects/oci_copy.h"

namespace serin::objects {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// An image of one layer in a layout.
OciBlob make_image(OciLayout& layout, const std::string& content) {
  OciManifest manifest;
  manifest.config = *layout.add(kOciConfigType, R"({"os":"linux","architecture":"amd64"})");
  manifest.layers = {*layout.add(kOciLayerType, content)};
  const OciDocument document = oci_manifest(manifest);
  return *layout.add(document.media_type, document.text);
}

class OciLayoutTest : public testing::Test {
 protected:
  fs::path path(const std::string& name) const { return folder_->path() / name; }
  std::size_t blobs(const fs::path& layout) const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(layout / "blobs/sha256"), {}));
  }

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("layout");
};

TEST_F(OciLayoutTest, GivesBackWhatWasNamed) {
  auto layout = *OciLayout::create(path("l"));
  const OciBlob one = make_image(layout, "one");
  const OciBlob two = make_image(layout, "two");
  ASSERT_TRUE(layout.name("r.example/b:v1", one));
  ASSERT_TRUE(layout.name("r.example/a:v1", two));
  const auto again = OciLayout::open(path("l"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->find("r.example/b:v1")->digest, one.digest);
  EXPECT_EQ(again->names()->front().name, "r.example/a:v1");
  EXPECT_EQ(parse_oci_manifest(again->image(one)->text)->layers[0].size, 3U);
  const auto none = again->find("r.example/c:v1");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("there are r.example/a:v1 and r.example/b:v1"));
  EXPECT_FALSE(again->find(""));
}

TEST_F(OciLayoutTest, MovesANameToAnotherImage) {
  auto layout = *OciLayout::create(path("l"));
  ASSERT_TRUE(layout.name("a:v1", make_image(layout, "one")));
  const OciBlob two = make_image(layout, "two");
  ASSERT_TRUE(layout.name("a:v1", two));
  EXPECT_EQ(layout.names()->size(), 1U);
  EXPECT_EQ(layout.find("")->digest, two.digest);
}

TEST_F(OciLayoutTest, RemovesWhatNothingNeedsAndNothingElse) {
  {
    auto layout = *OciLayout::create(path("l"));
    ASSERT_TRUE(layout.name("a:v1", make_image(layout, "one")));
    ASSERT_TRUE(layout.name("b:v1", make_image(layout, "two")));
    // Somebody writes here.
    EXPECT_EQ(OciLayout::open(path("l"))->prune().error().code, Code::kUnavailable);
  }
  auto layout = *OciLayout::open(path("l"));
  EXPECT_EQ(*layout.prune(), 0U);
  ASSERT_TRUE(layout.unname("a:v1"));
  EXPECT_EQ(layout.unname("a:v1").error().code, Code::kNotFound);
  EXPECT_GT(*layout.prune(), 0U);
  EXPECT_EQ(blobs(path("l")), 3U);  // the config is b's too
  EXPECT_TRUE(layout.image(*layout.find("b:v1")));
}

TEST_F(OciLayoutTest, WritesBesideOthersWhoHaveOurNumber) {
  auto layout = *OciLayout::create(path("l"));
  // In another container, a process with the same id.
  const std::string others = ".new-" + std::to_string(::getpid()) + "-";
  for (int i = 0; i < 200; ++i)
    ASSERT_TRUE(write_file(path("l") / "blobs/sha256" / (others + std::to_string(i)), "x"));
  ASSERT_TRUE(layout.add(kOciLayerType, "one"));
  EXPECT_EQ(blobs(path("l")), 201U);
}

// How many of this process's descriptors are of the file at `path`.
int holders(const fs::path& path) {
  struct stat wanted{}, own{};
  if (::stat(path.c_str(), &wanted) != 0) return 0;
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    if (::stat(entry.path().c_str(), &own) == 0 && own.st_dev == wanted.st_dev &&
        own.st_ino == wanted.st_ino)
      ++count;
  }
  return count;
}

TEST_F(OciLayoutTest, FetchesOnlyWithTheLockOfTheFileThatIsThere) {
  auto layout = *OciLayout::create(path("l"));
  const OciBlob blob{"x", "sha256:" + sha256_hex("bytes"), 5, {}};
  const fs::path part = path("l") / "blobs/sha256" / (blob.digest.substr(7) + ".part");
  auto first = open_lock(part);
  ASSERT_TRUE(lock_file(*first, "first", {}));
  std::atomic<bool> read = false;
  const ReadFrom from = [&](std::uint64_t, const Sink& sink) {
    read = true;
    return sink("bytes");
  };
  Status fetched = fail(Code::kUnknown, "not done");
  std::jthread fetcher([&] { fetched = layout.fetch(blob, from, {}); });
  ASSERT_TRUE(eventually([&] { return holders(part) == 2; }));
  // The first one gives up, removes its file, and a third one begins anew.
  fs::remove(part);
  auto third = open_lock(part);
  ASSERT_TRUE(lock_file(*third, "third", {}));
  *first = Descriptor();
  ASSERT_TRUE(eventually([&] { return read || holders(part) == 2; }));
  EXPECT_FALSE(read);
  *third = Descriptor();
  fetcher.join();
  EXPECT_TRUE(fetched) << fetched.error().message;
  EXPECT_TRUE(layout.has(blob));
  EXPECT_FALSE(fs::exists(part));
}

TEST_F(OciLayoutTest, SaysWhatKeepsItFromReadingAndWriting) {
  ASSERT_TRUE(write_file(path("file"), "x"));
  EXPECT_EQ(OciLayout::create(path("file") / "below").error().code, Code::kNotFound);
  ASSERT_TRUE(OciLayout::create(path("l")));
  fs::remove(path("l") / "oci-layout");
  fs::create_directory_symlink("oci-layout", path("l") / "oci-layout");
  const auto loop = OciLayout::open(path("l"));
  ASSERT_FALSE(loop);
  EXPECT_THAT(loop.error().message, HasSubstr("symbolic links"));
}

TEST_F(OciLayoutTest, IsOneFileToo) {
  auto layout = *OciLayout::create(path("l"));
  const OciBlob image = make_image(layout, "one");
  ASSERT_TRUE(layout.name("r.example/a:v1", image));
  make_image(layout, "two");
  ASSERT_TRUE(layout.write_tar(path("a.tar"), "r.example/a:v1", image));
  const auto file = OciLayout::open(path("a.tar"));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find("r.example/a:v1")->digest, image.digest);
  auto copy = *OciLayout::create(path("copy"));
  const auto copied = copy_image(*file, *file->find(""), copy, {});
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->digest, image.digest);
  EXPECT_EQ(blobs(path("copy")), 3U);
  // With what older versions of docker read.
  std::set<std::string> files;
  const auto inside = tar_files(*Body::file(path("a.tar")));
  for (const TarFile& one : *inside) files.insert(one.path);
  EXPECT_EQ(files.size(), 6U);
  EXPECT_TRUE(files.contains("manifest.json"));
}

TEST_F(OciLayoutTest, IsTheSameFileForTheSameImage) {
  for (const char* name : {"one", "two"}) {
    auto layout = *OciLayout::create(path(name));
    ASSERT_TRUE(layout.write_tar(path(name) += ".tar", "a:v1", make_image(layout, "content")));
  }
  EXPECT_EQ(*sha256_hex_of_file(path("one.tar")), *sha256_hex_of_file(path("two.tar")));
}

TEST_F(OciLayoutTest, RefusesWhatIsNone) {
  EXPECT_EQ(OciLayout::open(path("nothing")).error().code, Code::kNotFound);
  fs::create_directories(path("folder"));
  EXPECT_EQ(OciLayout::open(path("folder")).error().code, Code::kInvalidArgument);
  ASSERT_TRUE(write_file(path("file.tar"), "text"));
  EXPECT_EQ(OciLayout::open(path("file.tar")).error().code, Code::kInvalidArgument);
  ASSERT_TRUE(write_file(path("folder/oci-layout"), R"({"imageLayoutVersion":"2.0.0"})"));
  EXPECT_EQ(OciLayout::open(path("folder")).error().code, Code::kInvalidArgument);
  ASSERT_TRUE(write_file(path("folder/oci-layout"), R"({"imageLayoutVersion":"1.0.0"})"));
  ASSERT_TRUE(write_file(path("folder/index.json"), R"({"manifests":[{"digest":"../../x"}]})"));
  EXPECT_EQ(OciLayout::open(path("folder"))->names().error().code, Code::kInvalidArgument);
}

TEST_F(OciLayoutTest, FindsOutWhatSomebodySpoiled) {
  auto layout = *OciLayout::create(path("l"));
  const OciBlob image = make_image(layout, "one");
  const OciManifest manifest = *parse_oci_manifest(layout.image(image)->text);
  const fs::path layer = path("l") / "blobs/sha256" / manifest.layers[0].digest.substr(7);
  ASSERT_TRUE(write_file(layer, "oné"));
  EXPECT_EQ(layout.blob(manifest.layers[0]).error().code, Code::kDataLoss);
  ASSERT_TRUE(write_file(layer, "ono"));
  auto copy = *OciLayout::create(path("copy"));
  EXPECT_EQ(copy_image(layout, image, copy, {}).error().code, Code::kDataLoss);
  ASSERT_TRUE(write_file(path("l") / "blobs/sha256" / image.digest.substr(7),
                         std::string(image.size, ' ')));
  EXPECT_EQ(layout.image(image).error().code, Code::kDataLoss);
}

TEST_F(OciLayoutTest, GivesTheImageForThisMachineOfAnIndex) {
  auto layout = *OciLayout::create(path("l"));
  const OciBlob image = make_image(layout, "one");
  const std::string index = R"({"schemaVersion":2,"manifests":[{"mediaType":")" + image.media_type +
                            R"(","digest":")" + image.digest + R"(","size":)" +
                            std::to_string(image.size) +
                            R"(,"platform":{"os":"linux","architecture":"amd64"}}]})";
  const OciBlob several = *layout.add(kOciIndexType, index);
  ASSERT_TRUE(layout.name("a:v1", several));
  EXPECT_EQ(layout.image(several)->digest(), image.digest);
  auto open = *OciLayout::open(path("l"));
  layout = *OciLayout::open(path("l"));  // nobody writes any more
  EXPECT_EQ(*open.prune(), 0U);
}

}  // namespace
}  // namespace serin::objects
