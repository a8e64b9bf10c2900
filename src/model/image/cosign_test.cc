// SPDX-License-Identifier: Apache-2.0
#include "model/image/cosign.h"

#include <gmock/gmock.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/subprocess.h"

namespace serin::model {
namespace {

using objects::OciBlob;
using objects::OciDocument;
using testing::HasSubstr;

SigningKey new_key(const std::string& curve = "P-256") {
  const auto made = run_command({.arguments = {"openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                                               "ec_paramgen_curve:" + curve}},
                                std::chrono::seconds(30));
  return *SigningKey::parse(made->output);
}

// A repository in memory.
class FakeRegistry final : public objects::OciRegistry {
 public:
  Result<OciDocument> pull_document(const std::string& name, const CancelToken&) override {
    const auto found = documents.find(name);
    if (found == documents.end()) return fail(Code::kNotFound, "there is no " + name);
    return found->second;
  }
  Status pull_blob(const OciBlob& blob, std::uint64_t, const objects::Sink& sink,
                   const CancelToken&) override {
    if (problem) return fail(*problem);
    return sink(blobs.at(blob.digest));
  }
  Status push_blob(const OciBlob& blob, const objects::Body& body, const CancelToken&) override {
    return body.each([&, first = true](std::string_view piece) mutable -> Status {
      if (std::exchange(first, false)) blobs[blob.digest].clear();
      blobs[blob.digest] += piece;
      return {};
    });
  }
  Status push_document(const std::string& name, const OciDocument& document,
                       const CancelToken&) override {
    documents[name] = document;
    return {};
  }
  const objects::OciReference& reference() const override { return at; }

  objects::OciReference at{"r.example", "models/glyphs", "v1", ""};
  std::map<std::string, OciDocument> documents;
  std::map<std::string, std::string> blobs;
  std::optional<Error> problem;  // of pulling blobs
};

const std::string kDigest = "sha256:" + sha256_hex("an image");
const std::string kOther = "sha256:" + sha256_hex("another image");
const std::string kTag = signature_tag(kDigest);

class CosignTest : public testing::Test {
 protected:
  objects::OciManifest signatures() {
    return *objects::parse_oci_manifest(registry_.documents.at(kTag).text);
  }
  Trust trust(const SigningKey& key) const { return *Trust::parse(key.public_key()); }

  FakeRegistry registry_;
  SigningKey key_ = new_key();
  SigningKey other_ = new_key();
};

TEST_F(CosignTest, WritesWhatCosignReads) {
  ASSERT_TRUE(sign_image(registry_, kDigest, key_, {}));
  EXPECT_EQ(kTag, "sha256-" + kDigest.substr(7) + ".sig");
  const auto written = signatures();
  ASSERT_EQ(written.layers.size(), 1U);
  const OciBlob& layer = written.layers.front();
  EXPECT_EQ(layer.media_type, "application/vnd.dev.cosign.simplesigning.v1+json");
  EXPECT_EQ(registry_.blobs.at(layer.digest),
            R"({"critical":{"identity":{"docker-reference":"r.example/models/glyphs"},"image":{)"
            R"("docker-manifest-digest":")" +
                kDigest + R"("},"type":"cosign container image signature"},"optional":null})");
  const auto signature = from_base64(layer.annotations.at("dev.cosignproject.cosign/signature"));
  EXPECT_TRUE(trust(key_).verify_message(registry_.blobs.at(layer.digest), *signature));
  EXPECT_EQ(written.config.media_type, objects::kOciConfigType);
}

TEST_F(CosignTest, VerifiesWhatItSigned) {
  ASSERT_TRUE(sign_image(registry_, kDigest, key_, {}));
  EXPECT_EQ(*verify_image(registry_, kDigest, trust(key_), {}), "public key " + key_.hint());
  const auto refused = verify_image(registry_, kDigest, trust(other_), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_THAT(refused.error().message, HasSubstr("r.example/models/glyphs:v1"));
  EXPECT_THAT(verify_image(registry_, kOther, trust(key_), {}).error().message,
              HasSubstr("nobody has signed " + kOther));
}

TEST_F(CosignTest, AddsToWhatOthersSignedAndSignsOnce) {
  ASSERT_TRUE(sign_image(registry_, kDigest, key_, {}));
  ASSERT_TRUE(sign_image(registry_, kDigest, other_, {}));
  ASSERT_TRUE(sign_image(registry_, kDigest, key_, {}));
  EXPECT_EQ(signatures().layers.size(), 2U);
  EXPECT_TRUE(verify_image(registry_, kDigest, trust(key_), {}));
  EXPECT_TRUE(verify_image(registry_, kDigest, trust(other_), {}));
}

TEST_F(CosignTest, DoesNotTakeASignatureOfAnotherImage) {
  ASSERT_TRUE(sign_image(registry_, kOther, key_, {}));
  registry_.documents[kTag] = registry_.documents.at(signature_tag(kOther));
  const auto refused = verify_image(registry_, kDigest, trust(key_), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_THAT(refused.error().message, HasSubstr(kOther));
}

TEST_F(CosignTest, RefusesAloneWhatNobodyTrustedSigned) {
  ASSERT_TRUE(sign_image(registry_, kDigest, other_, {}));
  objects::OciManifest odd = signatures();
  odd.layers.push_back(odd.layers.front());
  odd.layers.back().annotations["dev.cosignproject.cosign/signature"] = "no base64";
  registry_.documents[kTag] = objects::oci_manifest(odd);
  EXPECT_EQ(verify_image(registry_, kDigest, trust(key_), {}).error().code,
            Code::kPermissionDenied);
  EXPECT_TRUE(verify_image(registry_, kDigest, trust(other_), {}));
}

TEST_F(CosignTest, SignsNothingWhileItIsNotKnownWhatIsSigned) {
  ASSERT_TRUE(sign_image(registry_, kDigest, key_, {}));
  for (const Code code : {Code::kUnavailable, Code::kCancelled, Code::kUnauthenticated}) {
    registry_.problem = Error{code, "no answer"};
    EXPECT_EQ(sign_image(registry_, kDigest, key_, {}).error().code, code);
    EXPECT_EQ(verify_image(registry_, kDigest, trust(key_), {}).error().code, code);
  }
  EXPECT_EQ(signatures().layers.size(), 1U);
}

TEST_F(CosignTest, DoesNotTakeAStatementThatWasAltered) {
  ASSERT_TRUE(sign_image(registry_, kDigest, key_, {}));
  registry_.blobs.at(signatures().layers[0].digest) += " ";
  EXPECT_EQ(verify_image(registry_, kDigest, trust(key_), {}).error().code,
            Code::kPermissionDenied);
}

TEST_F(CosignTest, ReadsStatementsOfImagesAlone) {
  EXPECT_TRUE(check_statement(signed_statement("r/x", kDigest), kDigest));
  for (const char* wrong :
       {"", "[]", "{}", R"({"critical": {"type": "atomic container signature"}})",
        R"({"critical": {"type": "cosign container image signature"}})"})
    EXPECT_FALSE(check_statement(wrong, kDigest)) << wrong;
}

TEST_F(CosignTest, SignsOnP256Alone) {
  const auto refused = sign_image(registry_, kDigest, new_key("P-384"), {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("P-256"));
}

}  // namespace
}  // namespace serin::model
