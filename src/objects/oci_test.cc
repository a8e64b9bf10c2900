// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstdlib>
#include <thread>

#include "base/base64.h"
#include "base/digest.h"
#include "base/eventually_for_test.h"
#include "base/files.h"
#include "objects/oci_login.h"
#include "objects/oci_manifest.h"
#include "objects/oci_reference.h"

namespace serin::objects {
namespace {

using testing::HasSubstr;

const std::string kHex(64, 'a');

TEST(OciReference, HasAHostARepositoryAndATagOrADigest) {
  const auto tagged = parse_oci_url("oci://registry.example:5000/models/glyphs:v2");
  ASSERT_TRUE(tagged) << tagged.error().message;
  EXPECT_EQ(tagged->host, "registry.example:5000");
  EXPECT_EQ(tagged->repository, "models/glyphs");
  EXPECT_EQ(tagged->name(), "v2");
  EXPECT_EQ(parse_oci_url("oci://r/glyphs")->name(), "latest");
  const auto pinned = parse_oci_url("oci://r/glyphs:v2@sha256:" + kHex);
  EXPECT_EQ(pinned->name(), "sha256:" + kHex);
  EXPECT_TRUE(pinned->tag.empty());
}

TEST(OciReference, RefusesWhatIsNone) {
  for (const char* wrong :
       {"oci://", "oci://host", "oci://host/", "oci://host/Upper", "oci://host/a//b",
        "oci://host/../x", "oci://host/a:", "oci://host/a:b:c", "oci://host/a@sha256:12",
        "oci://user@host/a", "https://host/a", "oci://host/a b", "oci://host/-a", "oci://host/a."})
    EXPECT_FALSE(parse_oci_url(wrong)) << wrong;
}

TEST(OciReference, SpeaksWithoutTlsToThisMachineAlone) {
  const auto nothing = [](const char*) { return std::optional<std::string>(); };
  const auto asked = [](const char*) { return std::optional<std::string>("a:1,lan.example:5000"); };
  EXPECT_TRUE(is_plain_http(*parse_oci_url("oci://127.0.0.1:5000/a"), nothing));
  EXPECT_TRUE(is_plain_http(*parse_oci_url("oci://localhost/a"), nothing));
  EXPECT_FALSE(is_plain_http(*parse_oci_url("oci://127.0.0.1.example/a"), nothing));
  EXPECT_FALSE(is_plain_http(*parse_oci_url("oci://lan.example:5000/a"), nothing));
  EXPECT_TRUE(is_plain_http(*parse_oci_url("oci://lan.example:5000/a"), asked));
}

TEST(OciReference, IsReadWithoutAScheme) {
  EXPECT_EQ(parse_image_name("r.example/models/glyphs:v1")->text(), "r.example/models/glyphs:v1");
  EXPECT_EQ(parse_image_name("oci://r.example/glyphs")->text(), "r.example/glyphs:latest");
  EXPECT_EQ(parse_image_name("localhost/glyphs")->host, "localhost");
  const auto local = parse_image_name("models/glyphs:v1");
  EXPECT_EQ(local->host, "");
  EXPECT_EQ(local->text(), "models/glyphs:v1");
  for (const char* wrong : {"", ":v1", "Glyphs", "a b", "r.example/", "r.example/A", "a@sha256:1"})
    EXPECT_FALSE(parse_image_name(wrong)) << wrong;
}

TEST(OciReference, KnowsDockerHubsNames) {
  const auto debian = parse_image_name("docker.io/debian:12");
  EXPECT_EQ(debian->text(), "docker.io/library/debian:12");
  EXPECT_EQ(debian->api_host(), "registry-1.docker.io");
  EXPECT_EQ(parse_image_name("index.docker.io/me/x")->text(), "docker.io/me/x:latest");
}

std::string entry(const std::string& login) { return R"({"auth": ")" + to_base64(login) + R"("})"; }

TEST(OciLogin, TakesTheMostExactEntry) {
  const std::string text = R"({"auths": {"r.example": )" + entry("a:b") +
                           R"(, "r.example/models": )" + entry("c:d") + "}}";
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://r.example/models/glyphs"))->login.user, "c");
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://r.example/other"))->login.password, "b");
  EXPECT_TRUE(login_in(text, *parse_oci_url("oci://s.example/other"))->login.empty());
}

TEST(OciLogin, FindsWhatDockerWrites) {
  const std::string text =
      R"({"auths": {"https://index.docker.io/v1/": )" + entry("a:b:c") +
      R"(, "https://old.example": )" + entry("d:e") +
      R"(, "t.example": {"auth": "", "identitytoken": "long"}, "empty.example": {}}})";
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://docker.io/x"))->login.password, "b:c");
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://old.example/x"))->login.user, "d");
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://t.example/x"))->login.identity_token, "long");
  EXPECT_TRUE(login_in(text, *parse_oci_url("oci://empty.example/x"))->login.empty());
}

TEST(OciLogin, NamesTheHelperToAsk) {
  const std::string text =
      R"({"credsStore": "desktop", "credHelpers": {"r.example": "ecr-login"}, "auths": {}})";
  const auto own = login_in(text, *parse_oci_url("oci://r.example/a"));
  EXPECT_EQ(own->helper, "ecr-login");
  EXPECT_EQ(own->helper_host, "r.example");
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://s.example/a"))->helper, "desktop");
  EXPECT_EQ(login_in(text, *parse_oci_url("oci://docker.io/a"))->helper_host,
            "https://index.docker.io/v1/");
}

TEST(OciLogin, ReadsWhatAHelperPrints) {
  const auto login = login_of_helper(R"({"ServerURL": "x", "Username": "u", "Secret": "p"})");
  EXPECT_EQ(login->user + login->password, "up");
  const auto token = login_of_helper(R"({"Username": "<token>", "Secret": "t"})");
  EXPECT_EQ(token->identity_token, "t");
  EXPECT_TRUE(token->user.empty());
  EXPECT_FALSE(login_of_helper("no"));
}

TEST(OciLogin, RefusesFilesThatAreNone) {
  const auto reference = *parse_oci_url("oci://r.example/a");
  for (const char* wrong : {"[", "[]", R"({"auths": {"r.example": {"auth": "%%"}}})",
                            R"({"auths": {"r.example": {"auth": "YQ=="}}})"})
    EXPECT_FALSE(login_in(wrong, reference)) << wrong;
}

// The files that others left, and a credential helper that is really run.
class RegistryLogin : public testing::Test {
 protected:
  void SetUp() override {
    old_path_ = std::getenv("PATH");
    ::setenv("PATH", (folder_->path().string() + ":" + old_path_).c_str(), 1);
  }
  void TearDown() override { ::setenv("PATH", old_path_.c_str(), 1); }

  std::string path(const std::string& name) const { return (folder_->path() / name).string(); }
  void file(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    ASSERT_TRUE(write_file(path(name), text));
  }
  // docker-credential-tests
  void helper(const std::string& script) {
    file("docker-credential-tests", "#!/bin/sh\n" + script);
    std::filesystem::permissions(path("docker-credential-tests"),
                                 std::filesystem::perms::owner_all);
  }
  Result<OciLogin> login(const CancelToken& cancel = {}) {
    const auto environment = [this](const char* name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(path(found->second));
    };
    return registry_login(*parse_oci_url("oci://r.example/a"), environment, cancel);
  }

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("login");
  std::string old_path_;
  std::map<std::string, std::string> environment_ = {{"REGISTRY_AUTH_FILE", "auth.json"}};
};

TEST_F(RegistryLogin, IsInTheFirstFileThatKnowsTheRegistry) {
  environment_ = {{"REGISTRY_AUTH_FILE", "given.json"},
                  {"XDG_RUNTIME_DIR", "run"},
                  {"HOME", "home"},
                  {"DOCKER_CONFIG", "docker"}};
  EXPECT_TRUE(login()->empty());
  const auto knows = [](const std::string& user) {
    return R"({"auths": {"r.example": )" + entry(user + ":p") + "}}";
  };
  // The last one first, so that each is found before those that are there already.
  for (const char* name :
       {"home/.docker/config.json", "docker/config.json", "home/.config/containers/auth.json",
        "run/containers/auth.json", "given.json"}) {
    file(name, knows(name));
    EXPECT_EQ(login()->user, name);
  }
  file("given.json", R"({"auths": {"s.example": )" + entry("a:b") + "}}");
  EXPECT_EQ(login()->user, "run/containers/auth.json");
}

TEST_F(RegistryLogin, IsWhatTheHelperGives) {
  file("auth.json", R"({"credsStore": "tests"})");
  helper("read host; echo \"{\\\"Username\\\": \\\"$1\\\", \\\"Secret\\\": \\\"$host\\\"}\"\n");
  const auto given = login();
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->user, "get");
  EXPECT_EQ(given->password, "r.example");
}

TEST_F(RegistryLogin, IsTheFilesOwnWhereTheHelperHasNone) {
  file("auth.json", R"({"credsStore": "tests", "auths": {"r.example": )" + entry("own:p") + "}}");
  helper("echo credentials not found in native keychain; exit 1\n");
  EXPECT_EQ(login()->user, "own");
  helper("echo the vault is shut >&2; exit 1\n");
  const auto refused = login();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnauthenticated);
  EXPECT_THAT(refused.error().message, HasSubstr("the vault is shut"));
}

TEST_F(RegistryLogin, IsNotWaitedForByWhoeverCancels) {
  file("auth.json", R"({"credsStore": "tests"})");
  helper("touch " + path("asked") + "; exec sleep 25\n");
  CancelToken cancel;
  const std::jthread canceller([&] {
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path("asked")); }));
    cancel.cancel();
  });
  const auto cancelled = login(cancel);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Code::kCancelled);
}

TEST_F(RegistryLogin, DoesNotRunWhatIsNoHelper) {
  for (const char* name : {"../evil", "a b", "no-such-helper-anywhere"}) {
    file("auth.json", R"({"credsStore": ")" + std::string(name) + R"("})");
    const auto refused = login();
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().message, HasSubstr(name));
  }
}

TEST(OciChallenge, IsReadInAnyOrder) {
  const auto challenge = parse_bearer_challenge(
      R"(Bearer service="registry",realm="https://auth.example/token",scope="repository:a:pull,push")");
  ASSERT_TRUE(challenge);
  EXPECT_EQ(challenge->realm, "https://auth.example/token");
  EXPECT_EQ(challenge->scope, "repository:a:pull,push");
  EXPECT_FALSE(parse_bearer_challenge("Basic realm=\"x\""));
  EXPECT_FALSE(parse_bearer_challenge("Bearer realm=\""));
}

TEST(OciManifest, IsReadAsItWasWritten) {
  OciManifest manifest;
  manifest.artifact_type = "application/vnd.example";
  manifest.config = {"application/json", "sha256:" + kHex, 2, {}};
  manifest.layers.push_back({"application/x", "sha256:" + kHex, 9, {{"title", "a"}}});
  const OciDocument document = oci_manifest(manifest);
  EXPECT_EQ(document.digest(), "sha256:" + sha256_hex(document.text));
  EXPECT_EQ(document.blob().size, document.text.size());
  const auto read = parse_oci_manifest(document.text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->artifact_type, manifest.artifact_type);
  ASSERT_EQ(read->layers.size(), 1U);
  EXPECT_EQ(read->layers[0].annotations.at("title"), "a");
}

TEST(OciManifest, OfAnImageHasNoArtifactType) {
  OciManifest manifest;
  manifest.config = {"application/json", "sha256:" + kHex, 2, {}};
  EXPECT_EQ(oci_manifest(manifest).text.find("artifactType"), std::string::npos);
}

std::string index_of(const std::vector<std::string>& architectures) {
  std::string manifests;
  for (const std::string& architecture : architectures) {
    manifests += (manifests.empty() ? "" : ", ") +
                 (R"({"mediaType": "m", "size": 1, "digest": "sha256:)" + sha256_hex(architecture) +
                  R"(", "platform": {"os": "linux", "architecture": ")" + architecture + R"("}})");
  }
  return R"({"schemaVersion": 2, "manifests": [)" + manifests + "]}";
}

TEST(OciIndex, GivesTheImageForThisMachine) {
  const auto mine = manifest_for_this_machine(index_of({"arm64", "amd64"}));
  ASSERT_TRUE(mine) << mine.error().message;
  EXPECT_EQ(mine->digest, "sha256:" + sha256_hex("amd64"));
  const auto none = manifest_for_this_machine(index_of({"arm64", "s390x"}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("there are linux/arm64 and linux/s390x"));
  for (const char* wrong : {"", "[]", "{}", R"({"manifests": [1]})"})
    EXPECT_FALSE(manifest_for_this_machine(wrong)) << wrong;
}

TEST(OciManifest, RefusesWhatIsNone) {
  for (const char* wrong :
       {"", "[]", "{}", R"({"manifests": []})", R"({"config": {}, "layers": []})",
        R"({"config": {"digest": "sha256:12", "size": 1}, "layers": []})"})
    EXPECT_FALSE(parse_oci_manifest(wrong)) << wrong;
}

}  // namespace
}  // namespace serin::objects
