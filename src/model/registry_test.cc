// SPDX-License-Identifier: Apache-2.0
#include "model/registry.h"

#include <gmock/gmock.h>

#include <fstream>
#include <optional>

#include "base/clock.h"
#include "model/package_samples.h"
#include "model/source.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Reference, IsANameAndAVersion) {
  const auto parsed = parse_reference("storyteller:v2.1_b-3");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->name, "storyteller");
  EXPECT_EQ(parsed->version, "v2.1_b-3");
  EXPECT_EQ(parsed->text(), "storyteller:v2.1_b-3");
}

TEST(Reference, IsNoPathAndNoUrl) {
  for (const char* text : {"./a:b", "a/b:c", "oci://host/x:tag", "storyteller", ":v1",
                           "a:", "a:b:c", "-a:b", "a:.b", "a b:c", ""})
    EXPECT_FALSE(parse_reference(text)) << text;
  EXPECT_FALSE(parse_reference(std::string(64, 'a') + ":v1"));
}

class RegistryTest : public testing::Test {
 protected:
  void SetUp() override {
    package_ = samples::make_package(source());
    auto opened = Registry::open(folder_.path() / "registry", clock_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    registry_.emplace(*std::move(opened));
  }
  fs::path source() const { return folder_.path() / "source"; }
  std::string add() {
    auto held = registry_->add(source(), Registry::Take::kCopy);
    EXPECT_TRUE(held.has_value()) << held.error().message;
    return held ? held->digest : "";
  }
  // Another package: the same with other bytes.
  std::string add_other() {
    fs::remove(source() / "model.pt");
    EXPECT_TRUE(write_file(source() / "model.pt", "other weights"));
    EXPECT_TRUE(seal_package(source()).has_value());
    return add();
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  ManualClock clock_;
  Package package_;
  std::optional<Registry> registry_;
};

TEST_F(RegistryTest, FindsAPackageByItsName) {
  const std::string digest = add();
  EXPECT_EQ(digest, package_.digest);
  ASSERT_TRUE(registry_->tag({"small", "v1"}, digest, false));
  const auto found = registry_->find({"small", "v1"});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->digest, digest);
  EXPECT_TRUE(open_package(found->root, Verify::kDigests).has_value());
  const auto missing = registry_->find({"small", "v2"});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("small:v2"));
}

TEST_F(RegistryTest, KeepsWhatItTookWhenTheFolderIsWrittenLater) {
  const std::string digest = add();
  // In place: a hard link would have let this through.
  {
    std::ofstream(source() / "model.pt", std::ios::app) << "more";
  }
  const auto kept = registry_->at(digest);
  ASSERT_TRUE(kept.has_value());
  EXPECT_TRUE(open_package(kept->root, Verify::kDigests).has_value());
}

TEST_F(RegistryTest, LinksWhatNobodyWrites) {
  const auto held = registry_->add(source(), Registry::Take::kLink);
  ASSERT_TRUE(held.has_value()) << held.error().message;
  EXPECT_EQ(fs::hard_link_count(held->root / "model.pt"), 2U);
}

TEST_F(RegistryTest, RefusesBytesThatAreNotTheListedOnes) {
  ASSERT_TRUE(write_file(source() / "model.pt", "weightz"));
  const auto refused = registry_->add(source(), Registry::Take::kCopy);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kDataLoss);
  EXPECT_TRUE(registry_->list()->empty());
}

TEST_F(RegistryTest, TakesAttestationsThatComeLater) {
  const std::string digest = add();
  fs::create_directories(source() / "attestations");
  ASSERT_TRUE(write_file(source() / "attestations/cpu.json", "{}"));
  EXPECT_EQ(add(), digest);
  EXPECT_TRUE(fs::exists(registry_->at(digest)->root / "attestations/cpu.json"));
}

TEST_F(RegistryTest, GivesANameToAnotherPackageOnlyWhenTold) {
  const std::string first = add();
  const std::string second = add_other();
  ASSERT_NE(first, second);
  ASSERT_TRUE(registry_->tag({"small", "v1"}, first, false));
  EXPECT_TRUE(registry_->tag({"small", "v1"}, first, false));
  EXPECT_EQ(registry_->tag({"small", "v1"}, second, false).error().code, Code::kAlreadyExists);
  ASSERT_TRUE(registry_->tag({"small", "v1"}, second, true));
  EXPECT_EQ(registry_->find({"small", "v1"})->digest, second);
  EXPECT_EQ(registry_->tag({"small", "v2"}, "sha256:0", false).error().code, Code::kNotFound);
}

TEST_F(RegistryTest, ListsNamesAndUsers) {
  const std::string digest = add();
  ASSERT_TRUE(registry_->tag({"small", "v2"}, digest, false));
  ASSERT_TRUE(registry_->tag({"small", "v1"}, digest, false));
  ASSERT_TRUE(registry_->use("story/v1", digest));
  const auto entries = registry_->list();
  ASSERT_TRUE(entries.has_value());
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_THAT(entries->at(0).names, ElementsAre("small:v1", "small:v2"));
  EXPECT_THAT(entries->at(0).users, ElementsAre("story/v1"));
  ASSERT_TRUE(registry_->untag({"small", "v2"}));
  EXPECT_EQ(registry_->untag({"small", "v2"}).error().code, Code::kNotFound);
  EXPECT_THAT(registry_->list()->at(0).names, ElementsAre("small:v1"));
}

TEST_F(RegistryTest, PrunesWhatHasNoNameNoUserAndNoReader) {
  const std::string named = add();
  ASSERT_TRUE(registry_->tag({"small", "v1"}, named, false));
  const std::string used = add_other();
  ASSERT_TRUE(registry_->use("story/v1", used));
  clock_.advance(seconds(100));
  EXPECT_TRUE(registry_->prune(seconds(10))->empty());
  ASSERT_TRUE(registry_->release("story/v1"));
  {
    const auto reader = registry_->at(used);
    ASSERT_TRUE(reader.has_value());
    clock_.advance(seconds(100));
    EXPECT_TRUE(registry_->prune(seconds(10))->empty());
  }
  const auto removed = registry_->prune(seconds(10));
  ASSERT_TRUE(removed.has_value()) << removed.error().message;
  ASSERT_EQ(removed->size(), 1U);
  EXPECT_EQ(removed->at(0).digest, used);
  EXPECT_EQ(registry_->at(used).error().code, Code::kNotFound);
  EXPECT_TRUE(registry_->find({"small", "v1"}).has_value());
}

TEST_F(RegistryTest, KeepsWhatWasUsedLately) {
  const std::string digest = add();
  clock_.advance(seconds(5));
  EXPECT_TRUE(registry_->prune(seconds(10))->empty());
  EXPECT_TRUE(registry_->at(digest).has_value());
}

TEST_F(RegistryTest, HasAPackageAgainThatWasPruned) {
  const std::string digest = add();
  clock_.advance(seconds(100));
  ASSERT_EQ(registry_->prune(seconds(10))->size(), 1U);
  EXPECT_EQ(add(), digest);
  EXPECT_TRUE(registry_->at(digest).has_value());
}

TEST_F(RegistryTest, IsASourceAndADestinationOfPackages) {
  SourceOptions options;
  options.cache = folder_.path() / "cache";
  options.registry = folder_.path() / "registry";
  const auto pushed = push_package(source(), "small:v7", false, options);
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message;
  const auto fetched = fetch_package("small:v7", options);
  ASSERT_TRUE(fetched.has_value()) << fetched.error().message;
  EXPECT_EQ(fetched->digest, package_.digest);
  options.digest = "sha256:" + std::string(64, '0');
  EXPECT_EQ(fetch_package("small:v7", options).error().code, Code::kDataLoss);
  options.registry.clear();
  EXPECT_EQ(fetch_package("small:v7", options).error().code, Code::kNotFound);
}

TEST_F(RegistryTest, IsNotMadeByWhoeverOnlyLooks) {
  SourceOptions options;
  options.cache = folder_.path() / "cache";
  options.registry = folder_.path() / "mistyped";
  const auto fetched = fetch_package("small:v7", options);
  ASSERT_FALSE(fetched.has_value());
  EXPECT_EQ(fetched.error().code, Code::kNotFound);
  EXPECT_EQ(fetched.error().message, "there is no registry " + options.registry.string() +
                                         "; `serin package push FOLDER NAME:VERSION` makes one");
  EXPECT_FALSE(fs::exists(options.registry));
  EXPECT_TRUE(Registry::open_existing(folder_.path() / "registry", clock_).has_value());
}

TEST_F(RegistryTest, IsNotAskedForWhatIsNoPackage) {
  const fs::path script = folder_.path() / "discs.py";
  ASSERT_TRUE(write_file(script, "import torch\n"));
  SourceOptions options;
  options.cache = folder_.path() / "cache";
  EXPECT_EQ(fetch_package(script.string(), options).error().message,
            script.string() +
                ": is neither a package's folder nor an archive that `serin package "
                "pack` made");
}

}  // namespace
}  // namespace serin::model
