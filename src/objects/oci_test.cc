// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "base/base64.h"
#include "base/digest.h"
#include "objects/oci_registry.h"

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

TEST(OciLogin, TakesTheMostExactEntry) {
  const std::string text = R"({"auths": {"r.example": {"auth": ")" + to_base64("a:b") +
                           R"("}, "r.example/models": {"auth": ")" + to_base64("c:d") + R"("}}})";
  EXPECT_EQ(**login_in(text, *parse_oci_url("oci://r.example/models/glyphs")), "c:d");
  EXPECT_EQ(**login_in(text, *parse_oci_url("oci://r.example/other")), "a:b");
  EXPECT_EQ(*login_in(text, *parse_oci_url("oci://s.example/other")), std::nullopt);
}

TEST(OciLogin, SaysThatHelpersAreNotRun) {
  const auto login = login_in(R"({"credHelpers": {"r.example": "ecr-login"}})",
                              *parse_oci_url("oci://r.example/a"));
  ASSERT_FALSE(login);
  EXPECT_EQ(login.error().code, Code::kUnimplemented);
  EXPECT_FALSE(login_in("[", *parse_oci_url("oci://r.example/a")));
  EXPECT_FALSE(
      login_in(R"({"auths": {"r.example": {"auth": "%%"}}})", *parse_oci_url("oci://r.example/a")));
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
  const std::string text = oci_manifest_json(manifest);
  const auto read = parse_oci_manifest(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->digest, "sha256:" + sha256_hex(text));
  EXPECT_EQ(read->artifact_type, manifest.artifact_type);
  ASSERT_EQ(read->layers.size(), 1U);
  EXPECT_EQ(read->layers[0].annotations.at("title"), "a");
}

TEST(OciManifest, RefusesWhatIsNone) {
  for (const char* wrong :
       {"", "[]", "{}", R"({"manifests": []})", R"({"config": {}, "layers": []})",
        R"({"config": {"digest": "sha256:12", "size": 1}, "layers": []})"})
    EXPECT_FALSE(parse_oci_manifest(wrong)) << wrong;
}

}  // namespace
}  // namespace serin::objects
