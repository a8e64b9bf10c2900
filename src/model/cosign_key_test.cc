// SPDX-License-Identifier: Apache-2.0
#include "model/cosign_key.h"

#include <gmock/gmock.h>

#include "base/base64.h"
#include "base/files.h"
#include "model/dsse.h"

namespace serin::model {
namespace {

using testing::HasSubstr;

// testdata/cosign.key has the password "secret", testdata/cosign.pub is its public half.
std::string sample(const std::string& name) {
  return *read_file(std::string(SERIN_MODEL_TESTDATA) + "/" + name);
}

std::string altered(const std::string& from, const std::string& to) {
  const std::string pem = sample("cosign.key");
  const std::size_t begin = pem.find('\n') + 1, end = pem.find("-----END");
  std::string encoded = pem.substr(begin, end - begin);
  std::erase(encoded, '\n');
  std::string text = *from_base64(encoded);
  text.replace(text.find(from), from.size(), to);
  return pem.substr(0, begin) + to_base64(text) + "\n" + pem.substr(end);
}

std::string refusal(const std::string& pem, std::string_view password = "secret") {
  const auto key = SigningKey::parse(pem, password);
  return key ? "opened" : key.error().message;
}

TEST(CosignKey, IsOpenedByItsPassword) {
  const auto key = SigningKey::parse(sample("cosign.key"), "secret");
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->public_key(), sample("cosign.pub"));
  EXPECT_THAT(refusal(sample("cosign.key"), ""), HasSubstr("COSIGN_PASSWORD gives it"));
  EXPECT_THAT(refusal(sample("cosign.key"), "wrong"), HasSubstr("another than COSIGN_PASSWORD"));
}

TEST(CosignKey, OfCosign1IsOpenedToo) {
  std::string pem = sample("cosign.key");
  for (std::size_t at = 0; (at = pem.find("SIGSTORE", at)) != std::string::npos;)
    pem.replace(at, 8, "COSIGN");
  EXPECT_EQ(refusal(pem), "opened");
}

TEST(CosignKey, MayNotAskForAnyAmountOfWork) {
  for (const char* cost : {"\"N\":1073741824", "\"N\":-1", "\"N\":3"})
    EXPECT_THAT(refusal(altered("\"N\":65536", cost)), HasSubstr("cosign does not use")) << cost;
  EXPECT_THAT(refusal(altered("\"r\":8", "\"r\":8000")), HasSubstr("cosign does not use"));
  EXPECT_THAT(refusal(altered("\"p\":1", "\"p\":1000")), HasSubstr("cosign does not use"));
}

TEST(CosignKey, ThatIsSpoiledIsRefused) {
  EXPECT_THAT(refusal(altered("scrypt", "argon2")), HasSubstr("cosign does not use"));
  EXPECT_THAT(refusal(altered("\"nonce\":\"", "\"nonce\":\"AAAA")), HasSubstr("cut"));
  const std::string head = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
  const std::string tail = "\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
  EXPECT_THAT(refusal(head + "%%" + tail), HasSubstr("not base64"));
  EXPECT_THAT(refusal(head + "bm8=" + tail), HasSubstr("no private key of cosign"));
  EXPECT_FALSE(is_cosign_key(head));
}

}  // namespace
}  // namespace serin::model
