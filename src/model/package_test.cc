// SPDX-License-Identifier: Apache-2.0
#include "model/package.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "base/digest.h"
#include "base/files.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDraft = R"(# made by hand
format: serin.dev/package/v1
name: small      # a name
task: inference
engine: torch
model: model.pt

# what comes in
inputs:
- {name: x, kind: tensor, dtype: float32, shape: [2], default: 0}
call:
  arguments:
  - {name: x, input: x, dtype: float32, shape: [N, 2]}
  results:
  - {name: y, dtype: float32, shape: [N, 2]}
outputs:
- {name: y, kind: tensor, result: y}
golden:
- request: {seed: 1}
  expect: {y: golden/0.y.npy}
)";

class PackageTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "golden");
    write("model.yaml", kDraft);
    write("model.pt", "weights");
    write("golden/0.y.npy", "expected");
  }
  void write(const fs::path& path, std::string_view bytes) const {
    std::ofstream(root_ / path) << bytes;
  }
  std::string read(const fs::path& path) const { return read_file(root_ / path).value(); }
  std::string error(Verify how = Verify::kDigests) const {
    const auto package = open_package(root_, how);
    if (package) return "opened";
    const std::string prefix = root_.string() + ": ";
    return package.error().message.starts_with(prefix)
               ? package.error().message.substr(prefix.size())
               : package.error().message;
  }
  void seal() const {
    const auto sealed = seal_package(root_);
    ASSERT_TRUE(sealed.has_value()) << sealed.error().message;
  }

  TemporaryDirectory directory_ = TemporaryDirectory::create("package").value();
  fs::path root_ = directory_.path() / "small";
};

TEST_F(PackageTest, IsSealedThenOpenedWithTheSameDigest) {
  const auto sealed = seal_package(root_);
  ASSERT_TRUE(sealed.has_value()) << sealed.error().message;
  const auto opened = open_package(root_, Verify::kDigests);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->digest, sealed->digest);
  EXPECT_EQ(opened->digest, manifest_digest(read("model.yaml")).value());
  ASSERT_EQ(opened->manifest.files.size(), 2U);
  EXPECT_EQ(opened->manifest.files[0].path, "golden/0.y.npy");
  EXPECT_EQ(opened->manifest.files[1].sha256, sha256_hex("weights"));
}

TEST_F(PackageTest, KeepsTheAuthorsTextWhenSealed) {
  seal();
  const std::string block =
      "files:\n- {path: golden/0.y.npy, size: 8, sha256: " + sha256_hex("expected") +
      "}\n- {path: model.pt, size: 7, sha256: " + sha256_hex("weights") + "}\n";
  std::string expected(kDraft);
  expected.insert(expected.find("\n# what comes in"), block);
  EXPECT_EQ(read("model.yaml"), expected);
}

TEST_F(PackageTest, IsPreparedForSealingWithoutWritingAnything) {
  const std::string before = read("model.yaml");
  const auto sealing = prepare_seal(root_);
  ASSERT_TRUE(sealing.has_value()) << sealing.error().message;
  EXPECT_EQ(read("model.yaml"), before);
  const auto sealed = finish_seal(*sealing);
  ASSERT_TRUE(sealed.has_value()) << sealed.error().message;
  EXPECT_EQ(sealed->digest, sealing->package.digest);
  EXPECT_EQ(sealed->manifest_sha256, sealing->package.manifest_sha256);
  EXPECT_EQ(read("model.yaml"), sealing->yaml);
}

TEST_F(PackageTest, ReplacesOnlyTheListWhenSealedAgain) {
  seal();
  const std::string first = read("model.yaml");
  seal();
  EXPECT_EQ(read("model.yaml"), first);
  write("model.pt", "other weights");
  EXPECT_EQ(error(), "model.pt: has 13 bytes; model.yaml says 7");
  seal();
  std::string changed = first;
  const std::string before = "size: 7, sha256: " + sha256_hex("weights");
  changed.replace(changed.find(before), before.size(),
                  "size: 13, sha256: " + sha256_hex("other weights"));
  EXPECT_EQ(read("model.yaml"), changed);
}

TEST_F(PackageTest, IsNotSealedWhenItsTextIsWrong) {
  std::string wrong(kDraft);
  wrong.replace(wrong.find("result: y"), 9, "result: z");
  write("model.yaml", wrong);
  const auto sealed = seal_package(root_);
  ASSERT_FALSE(sealed.has_value());
  EXPECT_NE(
      sealed.error().message.find("model.yaml:17:27: outputs[0].result: no result is named \"z\""),
      std::string::npos)
      << sealed.error().message;
  EXPECT_EQ(read("model.yaml"), wrong);
}

TEST_F(PackageTest, IsNotSealedWithoutAFileThatItNames) {
  fs::remove(root_ / "model.pt");
  const auto sealed = seal_package(root_);
  ASSERT_FALSE(sealed.has_value());
  EXPECT_EQ(
      sealed.error().message,
      root_.string() + ": model.yaml:6:1: model: there is no file \"model.pt\" in the folder");
  EXPECT_EQ(read("model.yaml"), kDraft);
}

TEST_F(PackageTest, SaysWhereInTheAuthorsTextAFileIsNamedThatIsNotThere) {
  fs::remove(root_ / "golden/0.y.npy");
  const auto sealed = seal_package(root_);
  ASSERT_FALSE(sealed.has_value());
  EXPECT_EQ(sealed.error().message,
            root_.string() +
                ": model.yaml:20:12: golden[0].expect.y: there is no file \"golden/0.y.npy\" in "
                "the folder");
  EXPECT_EQ(read("model.yaml"), kDraft);
}

TEST_F(PackageTest, RefusesAByteThatChanged) {
  seal();
  write("model.pt", "weightz");
  EXPECT_EQ(error(Verify::kStructure), "opened");
  EXPECT_EQ(error(), "model.pt: its SHA-256 is " + sha256_hex("weightz") + "; model.yaml says " +
                         sha256_hex("weights"));
  EXPECT_EQ(open_package(root_, Verify::kDigests).error().code, Code::kDataLoss);
}

TEST_F(PackageTest, IsOpenedFirstAndComparedWithItsDigestsLater) {
  seal();
  const Package package = open_package(root_, Verify::kStructure).value();
  EXPECT_TRUE(check_digests(package).has_value());
  write("model.pt", "weightz");
  const Status listed = check_digests(package);
  EXPECT_EQ(listed.error().code, Code::kDataLoss);
  EXPECT_TRUE(listed.error().message.starts_with(root_.string() + ": model.pt: its SHA-256 is "))
      << listed.error().message;
}

TEST_F(PackageTest, RefusesAMissingFile) {
  seal();
  fs::remove(root_ / "model.pt");
  EXPECT_EQ(error(), "model.pt: is missing; model.yaml lists it");
}

TEST_F(PackageTest, RefusesAStranger) {
  seal();
  write("golden/1.y.npy", "");
  EXPECT_EQ(
      error(),
      "golden/1.y.npy: is not listed in model.yaml; remove it, or list it with serin package seal");
  fs::remove(root_ / "golden/1.y.npy");
  write("zz", "");
  EXPECT_EQ(error(),
            "zz: is not listed in model.yaml; remove it, or list it with serin package seal");
}

TEST_F(PackageTest, AllowsASignatureAndAttestationsBeside) {
  const std::string digest = seal_package(root_).value().digest;
  fs::create_directories(root_ / "attestations");
  write("model.sig", "{}");
  write("attestations/cpu.json", "{}");
  const auto opened = open_package(root_, Verify::kDigests);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->digest, digest);
  EXPECT_EQ(seal_package(root_).value().digest, digest);
}

TEST_F(PackageTest, RefusesLinks) {
  seal();
  fs::remove(root_ / "model.pt");
  fs::create_symlink("/etc/passwd", root_ / "model.pt");
  EXPECT_EQ(error(), "model.pt: is a symbolic link, which a package may not hold");
  fs::remove(root_ / "model.pt");
  write("model.pt", "weights");
  fs::rename(root_ / "golden", directory_.path() / "elsewhere");
  fs::create_directory_symlink(directory_.path() / "elsewhere", root_ / "golden");
  EXPECT_EQ(error(), "golden: is a symbolic link, which a package may not hold");
}

TEST_F(PackageTest, RefusesAManifestThatIsALink) {
  seal();
  fs::rename(root_ / "model.yaml", directory_.path() / "model.yaml");
  fs::create_symlink(directory_.path() / "model.yaml", root_ / "model.yaml");
  EXPECT_EQ(error(), "model.yaml: is a symbolic link, which a package may not hold");
}

TEST_F(PackageTest, RefusesPipesAndSockets) {
  seal();
  ASSERT_EQ(mkfifo((root_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error(), "pipe: is a pipe, which a package may not hold");
  fs::remove(root_ / "pipe");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (root_ / "s").string().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(error(), "s: is a socket, which a package may not hold");
  close(socket);
}

TEST_F(PackageTest, RefusesFilesOfHoles) {
  seal();
  fs::resize_file(root_ / "model.pt", std::uintmax_t{1} << 40);
  EXPECT_NE(error().find("model.pt: has 1099511627776 bytes, of which only"), std::string::npos)
      << error();
  EXPECT_NE(seal_package(root_).error().message.find("a file of holes is no model"),
            std::string::npos);
}

TEST_F(PackageTest, TakesAHardLinkForTheBytesThatItHas) {
  seal();
  fs::rename(root_ / "model.pt", directory_.path() / "elsewhere");
  fs::create_hard_link(directory_.path() / "elsewhere", root_ / "model.pt");
  EXPECT_EQ(error(), "opened");
  std::ofstream(directory_.path() / "elsewhere") << "WEIGHTS";
  EXPECT_NE(error().find("model.pt: its SHA-256 is"), std::string::npos) << error();
}

class ChangedPackageTest : public PackageTest {
 protected:
  void SetUp() override {
    PackageTest::SetUp();
    seal();
    package_ = open_package(root_, Verify::kDigests).value();
  }
  // What is said to have changed; "" when nothing did.
  std::string changed() const {
    const Status same = check_unchanged(package_);
    if (same) return "";
    EXPECT_EQ(same.error().code, Code::kDataLoss);
    const std::string rest = same.error().message.substr(root_.string().size() + 1);
    return rest.substr(0, rest.find(": changed while the package was loaded"));
  }
  Package package_;
};

TEST_F(ChangedPackageTest, IsTheSameUntilSomebodyWrites) {
  EXPECT_EQ(changed(), "");
  write("model.pt", "longer weights");
  EXPECT_EQ(changed(), "model.pt");
}

TEST_F(ChangedPackageTest, IsAnotherWhenAFileWasReplacedAndPutBack) {
  fs::rename(root_ / "model.pt", root_ / "good");
  write("model.pt", "weights");
  EXPECT_EQ(changed(), "good");
  fs::remove(root_ / "good");
  EXPECT_EQ(changed(), "model.pt");
}

TEST_F(ChangedPackageTest, IsAnotherWhenAFileBecameALink) {
  fs::rename(root_ / "golden", directory_.path() / "golden");
  fs::create_directory_symlink(directory_.path() / "golden", root_ / "golden");
  EXPECT_NE(check_unchanged(package_).error().message.find("golden: is a symbolic link"),
            std::string::npos);
}

TEST_F(ChangedPackageTest, IsAnotherWhenTheFolderWasReplaced) {
  fs::rename(root_, directory_.path() / "small.good");
  fs::copy(directory_.path() / "small.good", root_, fs::copy_options::recursive);
  EXPECT_NE(changed(), "");
}

TEST_F(PackageTest, RefusesFoldersWithoutEnd) {
  seal();
  fs::path deep = root_;
  for (int i = 0; i < 40; ++i) deep /= "d";
  fs::create_directories(deep);
  EXPECT_NE(error().find("folders are nested deeper than 32"), std::string::npos) << error();
}

TEST_F(PackageTest, SaysWhatIsNotAPackage) {
  fs::remove(root_ / "model.yaml");
  EXPECT_EQ(error(), "there is no model.yaml, so it is not a package");
  EXPECT_EQ(open_package(root_, Verify::kStructure).error().code, Code::kNotFound);
  EXPECT_EQ(open_package(root_ / "nothing", Verify::kStructure).error().code, Code::kNotFound);
  EXPECT_FALSE(open_package(root_ / "model.pt", Verify::kStructure).has_value());
}

TEST(ReplaceFiles, PutsTheListAtTheEndWithoutAModel) {
  EXPECT_EQ(replace_files("a: 1\nb: 2", {{"x", 1, "00ff"}}).value(),
            "a: 1\nb: 2\nfiles:\n- {path: x, size: 1, sha256: 00ff}\n");
}

TEST(ReplaceFiles, KeepsTheIndentAndTheCommentsOfTheNextField) {
  EXPECT_EQ(replace_files(
                "  model: m\n  files:\n  - {path: old}\n  # old remark\n\n  # next\n  b: 2\n", {})
                .value(),
            "  model: m\n  files: []\n  # old remark\n\n  # next\n  b: 2\n");
}

TEST(ReplaceGolden, WritesWhatWasRecordedAndKeepsTheRest) {
  EXPECT_EQ(
      replace_golden("a: 1  # kept\ngolden:\n- request: {}\nb: 2\n",
                     {{.request = {{"seed", 7}}, .expect = {{"text", "x: y"}}, .tolerance = 0.5}})
          .value(),
      "a: 1  # kept\ngolden:\n- request: {\"seed\":7}\n  expect: {text: \"x: y\"}\n"
      "  tolerance: 0.5\nb: 2\n");
}

TEST(ReplaceGolden, WritesAListWhereThereIsNothingToWrite) {
  EXPECT_EQ(replace_golden("a: 1\n", {}).value(), "a: 1\ngolden: []\n");
}

TEST(ReplaceFiles, RefusesATextWithNoPlaceForTheList) {
  EXPECT_FALSE(replace_files("{model: m, b: 2}", {{"x", 1, "00ff"}}).has_value());
  EXPECT_FALSE(replace_files("- a\n", {}).has_value());
  EXPECT_FALSE(replace_files("", {}).has_value());
}

}  // namespace
}  // namespace serin::model
