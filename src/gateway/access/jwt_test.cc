// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/jwt.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "gateway/access/signer_for_test.h"

namespace serin::gateway {
namespace {

constexpr JwtAlgorithm kAll[] = {JwtAlgorithm::kRs256, JwtAlgorithm::kPs256, JwtAlgorithm::kEs256,
                                 JwtAlgorithm::kEdDsa};

JwkSet keys_of(const std::string& text) {
  auto set = JwkSet::parse(text, "keys");
  EXPECT_TRUE(set.has_value()) << set.error().message;
  return set.value_or(JwkSet());
}

// The examples of RFC 7515, A.2 and A.3, and of RFC 8037, A.4.
constexpr std::string_view kRsaKey =
    R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-)"
    R"(Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7)"
    R"(OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qC)"
    R"(o5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp)"
    R"(oQ","e":"AQAB"}]})";
constexpr std::string_view kEcKey =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";
constexpr std::string_view kEdKey =
    R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";
constexpr std::string_view kPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";
constexpr std::string_view kRsaSignature =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
constexpr std::string_view kEcSignature =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

TEST(JwtOfTheRfcs, IsVerified) {
  const JwtRule rule{.issuer = "joe", .audiences = {}, .jwks_uri = {}, .jwks_file = {}};
  const std::chrono::system_clock::time_point then{std::chrono::seconds(1'300'819'000)};
  const std::string tokens[] = {
      "eyJhbGciOiJSUzI1NiJ9." + std::string(kPayload) + "." + std::string(kRsaSignature),
      "eyJhbGciOiJFUzI1NiJ9." + std::string(kPayload) + "." + std::string(kEcSignature)};
  for (const auto& [token, keys] : {std::pair(tokens[0], kRsaKey), {tokens[1], kEcKey}}) {
    const auto claims = verify_jwt(token, rule, keys_of(std::string(keys)), then);
    ASSERT_TRUE(claims.has_value()) << claims.error().message;
    EXPECT_EQ(claims->issuer, "joe");
    EXPECT_EQ(claims->expires, 1'300'819'380);
    EXPECT_TRUE(claims->all.at("http://example.com/is_root").as_bool());
    EXPECT_EQ(verify_jwt(token, rule, keys_of(std::string(keys)), then + std::chrono::hours(1))
                  .error()
                  .reason,
              "expired_token");
  }
}

TEST(JwtOfTheRfcs, EdDsaIsVerified) {
  const std::string message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  const std::string signature = *from_base64url(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvp"
      "Ar_MuM0KAg");
  const Jwk key = keys_of(std::string(kEdKey)).keys().at(0);
  EXPECT_TRUE(key.verifies(JwtAlgorithm::kEdDsa, message, signature));
  EXPECT_FALSE(key.verifies(JwtAlgorithm::kEdDsa, message + "x", signature));
}

class Jwt : public ::testing::Test {
 protected:
  // Seconds from now.
  std::string at(std::int64_t after) const { return std::to_string(unix_seconds(clock_) + after); }
  std::string claims(const std::string& more = "") const {
    return R"({"iss":"https://id.example","sub":"ada","aud":"serin","exp":)" + at(600) +
           (more.empty() ? "" : "," + more) + "}";
  }
  Result<JwtClaims> verify(const std::string& token) const {
    return verify_jwt(token, rule_, keys_, clock_.wall());
  }
  std::string reason(const std::string& token) const {
    const auto claims = verify(token);
    return claims ? "believed" : claims.error().reason;
  }

  ManualClock clock_;
  Signer signer_{JwtAlgorithm::kEdDsa};
  JwkSet keys_ = keys_of(signer_.jwks());
  JwtRule rule_{
      .issuer = "https://id.example", .audiences = {"serin"}, .jwks_uri = {}, .jwks_file = {}};
};

TEST_F(Jwt, OfEveryAlgorithmIsBelieved) {
  for (const JwtAlgorithm algorithm : kAll) {
    const Signer signer(algorithm);
    keys_ = keys_of(signer.jwks());
    const auto believed = verify(signer.token(claims()));
    ASSERT_TRUE(believed.has_value()) << name_of(algorithm) << ": " << believed.error().message;
    EXPECT_EQ(believed->subject, "ada");
  }
}

TEST_F(Jwt, IsNotBelievedWithAnyBitChanged) {
  for (const JwtAlgorithm algorithm : kAll) {
    const Signer signer(algorithm);
    keys_ = keys_of(signer.jwks());
    const std::string token = signer.token(claims());
    for (const std::size_t place : {token.find('.') + 5, token.rfind('.') + 5}) {
      std::string changed = token;
      changed[place] = changed[place] == 'A' ? 'B' : 'A';
      EXPECT_EQ(reason(changed), "invalid_token") << name_of(algorithm) << " " << place;
    }
  }
}

TEST_F(Jwt, WithoutASignatureIsNotBelieved) {
  for (const std::string header : {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"HS256"})",
                                   R"({"alg":""})", R"({"alg":1})", "{}"}) {
    const std::string message = to_base64url(header) + "." + to_base64url(claims()) + ".";
    EXPECT_EQ(reason(message), "invalid_token") << header;
  }
  const std::string token = signer_.token(claims());
  EXPECT_EQ(reason(token.substr(0, token.rfind('.') + 1)), "invalid_token");
}

TEST_F(Jwt, MustBeOfAnAlgorithmThatTheRuleAllows) {
  rule_.algorithms = {JwtAlgorithm::kRs256};
  EXPECT_EQ(reason(signer_.token(claims())), "invalid_token");
}

TEST_F(Jwt, AKeyVerifiesOnlyWhatItsKindIsFor) {
  const Signer rsa(JwtAlgorithm::kRs256);
  keys_ = keys_of(R"({"keys":[)" + rsa.jwk(R"("alg":"PS256")") + "]}");
  EXPECT_EQ(reason(rsa.token(claims())), "invalid_token");
  keys_ = keys_of(R"({"keys":[)" + rsa.jwk(R"("alg":"RS256")") + "]}");
  EXPECT_EQ(reason(rsa.token(claims())), "believed");
  EXPECT_EQ(reason(rsa.token(R"({"alg":"EdDSA","kid":"k1"})", claims())), "invalid_token");
}

TEST_F(Jwt, IsVerifiedByTheKeyThatItNames) {
  const Signer other(JwtAlgorithm::kEdDsa, "k2");
  EXPECT_EQ(reason(other.token(claims())), "unknown_token_key");
  keys_ = keys_of(R"({"keys":[)" + signer_.jwk() + "," + other.jwk() + "]}");
  EXPECT_EQ(reason(other.token(claims())), "believed");
  EXPECT_EQ(reason(other.token(signer_.header(), claims())), "invalid_token");
}

TEST_F(Jwt, ThatNamesNoKeyMayBeVerifiedByAny) {
  const Signer other(JwtAlgorithm::kEdDsa, "k2");
  keys_ = keys_of(R"({"keys":[)" + signer_.jwk() + "," + other.jwk() + "]}");
  EXPECT_EQ(reason(other.token(R"({"alg":"EdDSA"})", claims())), "believed");
}

TEST_F(Jwt, HoldsFromNbfUntilExp) {
  EXPECT_EQ(reason(signer_.token(claims(R"("nbf":)" + at(60)))), "believed") << "within leeway";
  EXPECT_EQ(reason(signer_.token(claims(R"("nbf":)" + at(61)))), "invalid_token");
  EXPECT_EQ(reason(signer_.token(claims(R"("nbf":"soon")"))), "invalid_token");
  const std::string token = signer_.token(claims());
  clock_.advance(std::chrono::seconds(659));
  EXPECT_EQ(reason(token), "believed");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(reason(token), "expired_token");
}

TEST_F(Jwt, MustExpire) {
  for (const std::string exp : {"", R"(,"exp":"600")", R"(,"exp":null)", R"(,"exp":1e300)"}) {
    const std::string without = R"({"iss":"https://id.example","aud":"serin")" + exp + "}";
    EXPECT_EQ(reason(signer_.token(without)), "invalid_token") << exp;
  }
}

TEST_F(Jwt, MustBeOfTheIssuerAndForTheAudience) {
  const auto with = [&](const std::string& issuer, const std::string& audience) {
    return reason(signer_.token(R"({"iss":)" + issuer + R"(,"aud":)" + audience + R"(,"exp":)" +
                                at(60) + "}"));
  };
  EXPECT_EQ(with(R"("https://id.example")", R"(["other","serin"])"), "believed");
  EXPECT_EQ(with(R"("https://id.example/")", R"("serin")"), "invalid_token");
  EXPECT_EQ(with(R"(["https://id.example"])", R"("serin")"), "invalid_token");
  EXPECT_EQ(with(R"("https://id.example")", R"("Serin")"), "invalid_token");
  EXPECT_EQ(with(R"("https://id.example")", "[]"), "invalid_token");
  EXPECT_EQ(with(R"("https://id.example")", "{}"), "invalid_token");
  rule_.audiences.clear();
  EXPECT_EQ(with(R"("https://id.example")", R"("anybody")"), "believed");
}

TEST_F(Jwt, ThatAsksForUnknownExtensionsIsRefused) {
  EXPECT_EQ(reason(signer_.token(R"({"alg":"EdDSA","crit":["b64"],"b64":false})", claims())),
            "invalid_token");
}

TEST_F(Jwt, OfAnotherTypeIsRefused) {
  const auto typed = [&](const std::string& type) {
    return reason(signer_.token(R"({"alg":"EdDSA","typ":")" + type + R"("})", claims()));
  };
  for (const char* type : {"JWT", "jwt", "at+jwt", "application/at+jwt"})
    EXPECT_EQ(typed(type), "believed") << type;
  for (const char* type : {"secevent+jwt", "dpop+jwt", ""})
    EXPECT_EQ(typed(type), "invalid_token") << type;
}

TEST_F(Jwt, ThatIsMalformedIsRefused) {
  const std::string good = signer_.token(claims());
  const std::string header = good.substr(0, good.find('.'));
  for (const std::string& token :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"), good + ".x",
        good + "=", " " + good, header + "..", std::string(20'000, 'a'),
        to_base64url("[]") + "." + to_base64url("{}") + ".AA",
        signer_.token(R"({"alg":"EdDSA","alg":"EdDSA"})", claims()),
        signer_.token(signer_.header(), "[1]"), signer_.token(signer_.header(), "{")})
    EXPECT_EQ(reason(token), "invalid_token") << token;
  EXPECT_EQ(reason(signer_.token(claims(R"("iss":"twice")"))), "invalid_token");
}

TEST_F(Jwt, TellsItsIssuerBeforeItIsBelieved) {
  EXPECT_EQ(claimed_issuer(signer_.token(claims())), "https://id.example");
  for (const char* token : {"", "a.b.c", "..", "sk-serin-1234"})
    EXPECT_EQ(claimed_issuer(token), "") << token;
}

std::string refusal(const std::string& text) {
  const auto set = JwkSet::parse(text, "keys");
  return set ? "" : set.error().message;
}

TEST(Jwks, PassesOverKeysForOtherUses) {
  const Signer signer(JwtAlgorithm::kEdDsa);
  const std::string secret = R"({"kty":"oct","k":"AAAA","kid":"k1"})";
  const std::string keys[] = {secret,
                              R"({"kty":"EC","crv":"P-521"})",
                              signer.jwk(R"("use":"enc")"),
                              signer.jwk(R"("key_ops":["sign"])"),
                              signer.jwk(R"("alg":"RS256")"),
                              "1"};
  std::string all;
  for (const std::string& key : keys) {
    EXPECT_NE(refusal(R"({"keys":[)" + key + "]}").find("has no key for"), std::string::npos)
        << key;
    all += key + ",";
  }
  EXPECT_EQ(keys_of(R"({"keys":[)" + all + signer.jwk(R"("use":"sig","key_ops":["verify"])") + "]}")
                .keys()
                .size(),
            1U);
}

TEST(Jwks, RefusesWhatIsNoSet) {
  for (const char* text : {"", "[]", "{}", R"({"keys":1})", R"({"keys":[]})", "null"})
    EXPECT_TRUE(refusal(text).starts_with("keys: ")) << text;
  std::string many;
  for (int i = 0; i < 257; ++i) many += "{},";
  EXPECT_NE(refusal(R"({"keys":[)" + many + "{}]}").find("at most 256"), std::string::npos);
}

TEST(Jwks, RefusesWeakKeysAndPointsThatAreNone) {
  const std::string short_modulus = to_base64url(std::string(128, '\x7f'));
  const std::string padded = to_base64url(std::string(128, '\0') + std::string(128, '\x7f'));
  const std::string coordinate = to_base64url(std::string(32, '\x01'));
  for (const std::string& key :
       {R"({"kty":"RSA","e":"AQAB","n":")" + short_modulus + R"("})",
        R"({"kty":"RSA","e":"AQAB","n":")" + padded + R"("})",
        R"({"kty":"EC","crv":"P-256","x":")" + coordinate + R"(","y":")" + coordinate + R"("})",
        std::string(R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})"),
        std::string(R"({"kty":"OKP","crv":"Ed25519","x":"AA"})")})
    EXPECT_NE(refusal(R"({"keys":[)" + key + "]}"), "") << key;
}

}  // namespace
}  // namespace serin::gateway
