// SPDX-License-Identifier: Apache-2.0
// For tests: an issuer of tokens, with a key of its own.
#pragma once

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "base/base64.h"
#include "gateway/access/jwk.h"

namespace serin::gateway {

class Signer {
 public:
  explicit Signer(JwtAlgorithm algorithm, std::string id = "k1")
      : algorithm_(algorithm), id_(std::move(id)) {
    EVP_PKEY* key = algorithm == JwtAlgorithm::kEdDsa
                        ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                    : algorithm == JwtAlgorithm::kEs256 ? EVP_EC_gen("P-256")
                                                        : EVP_RSA_gen(2048);
    key_ = std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
  }

  // {"kty": …}, with `more` members after it.
  std::string jwk(const std::string& more = "") const {
    std::string kind;
    if (algorithm_ == JwtAlgorithm::kEdDsa) {
      kind = R"("kty":"OKP","crv":"Ed25519","x":")" + raw() + '"';
    } else if (algorithm_ == JwtAlgorithm::kEs256) {
      kind = R"("kty":"EC","crv":"P-256","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X, 32) +
             R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y, 32) + '"';
    } else {
      kind = R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N, 0) + R"(","e":")" +
             number(OSSL_PKEY_PARAM_RSA_E, 0) + '"';
    }
    const std::string id = id_.empty() ? "" : R"(,"kid":")" + id_ + '"';
    return "{" + kind + id + (more.empty() ? "" : "," + more) + "}";
  }
  std::string jwks() const { return R"({"keys":[)" + jwk() + "]}"; }

  std::string header() const {
    const std::string id = id_.empty() ? "" : R"(,"kid":")" + id_ + '"';
    return R"({"alg":")" + std::string(name_of(algorithm_)) + R"(","typ":"JWT")" + id + "}";
  }
  std::string token(const std::string& claims) const { return token(header(), claims); }
  std::string token(const std::string& header, const std::string& claims) const {
    const std::string message = to_base64url(header) + "." + to_base64url(claims);
    return message + "." + to_base64url(sign(message));
  }

 private:
  std::string raw() const {
    std::string bytes(32, '\0');
    std::size_t size = bytes.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size);
    return to_base64url(bytes);
  }
  // `size` 0: as many bytes as it has.
  std::string number(const char* name, int size) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &number);
    if (size == 0) size = BN_num_bytes(number);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), size);
    BN_free(number);
    return to_base64url(bytes);
  }

  std::string sign(const std::string& message) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    const EVP_MD* digest = algorithm_ == JwtAlgorithm::kEdDsa ? nullptr : EVP_sha256();
    EXPECT_EQ(EVP_DigestSignInit(context.get(), &options, digest, nullptr, key_.get()), 1);
    if (algorithm_ == JwtAlgorithm::kPs256) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    const auto* data = reinterpret_cast<const unsigned char*>(message.data());
    std::size_t size = 0;
    EXPECT_EQ(EVP_DigestSign(context.get(), nullptr, &size, data, message.size()), 1);
    std::string signature(size, '\0');
    EXPECT_EQ(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                             &size, data, message.size()),
              1);
    signature.resize(size);
    return algorithm_ == JwtAlgorithm::kEs256 ? two_numbers(signature) : signature;
  }
  static std::string two_numbers(const std::string& der) {
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size()));
    std::string bytes(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(bytes.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
    ECDSA_SIG_free(pair);
    return bytes;
  }

  JwtAlgorithm algorithm_;
  std::string id_;
  std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace serin::gateway
