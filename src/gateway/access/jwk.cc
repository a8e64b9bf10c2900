// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/jwk.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "base/named.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kMostKeys = 256;
constexpr std::size_t kSmallestRsa = 2048 / 8;  // bytes; RFC 7518, section 3.3
constexpr std::size_t kLargestRsa = 16384 / 8;
constexpr std::size_t kCoordinate = 32;

constexpr std::pair<std::string_view, JwtAlgorithm> kAlgorithms[] = {
    {"RS256", JwtAlgorithm::kRs256},
    {"PS256", JwtAlgorithm::kPs256},
    {"ES256", JwtAlgorithm::kEs256},
    {"EdDSA", JwtAlgorithm::kEdDsa}};

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
Owned<BIGNUM> number(std::string_view text) {
  return Owned<BIGNUM>(BN_bin2bn(bytes(text), static_cast<int>(text.size()), nullptr));
}

std::string_view text_of(const json::object& key, std::string_view name) {
  const json::value* found = key.if_contains(name);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string())
                                                : std::string_view();
}
// Empty when the member is missing or not base64url.
std::string bytes_of(const json::object& key, std::string_view name) {
  return from_base64url(text_of(key, name)).value_or(std::string());
}

// A public key of OpenSSL from its numbers; null when they are none.
Owned<EVP_PKEY> make_key(const char* kind, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, kind, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1)
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get());
  ERR_clear_error();
  return Owned<EVP_PKEY>(key);
}

Owned<EVP_PKEY> rsa_key(const json::object& key) {
  const std::string n = bytes_of(key, "n"), e = bytes_of(key, "e");
  if (n.size() < kSmallestRsa || n.size() > kLargestRsa || e.empty() || e.size() > 8) return {};
  const Owned<BIGNUM> modulus = number(n), exponent = number(e);
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  auto made = make_key("RSA", builder.get());
  // Bytes of zero in front make a modulus look longer than it is.
  if (made && EVP_PKEY_get_bits(made.get()) < static_cast<int>(kSmallestRsa * 8)) return {};
  return made;
}

Owned<EVP_PKEY> p256_key(const json::object& key) {
  const std::string x = bytes_of(key, "x"), y = bytes_of(key, "y");
  if (x.size() != kCoordinate || y.size() != kCoordinate) return {};
  const std::string point = "\x04" + x + y;
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  auto made = make_key("EC", builder.get());
  if (!made) return {};
  // A point that is not on the curve is no key.
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(made.get(), nullptr));
  const bool good = context && EVP_PKEY_public_check(context.get()) == 1;
  ERR_clear_error();
  return good ? std::move(made) : Owned<EVP_PKEY>();
}

Owned<EVP_PKEY> ed25519_key(const json::object& key) {
  const std::string x = bytes_of(key, "x");
  if (x.size() != kCoordinate) return {};
  Owned<EVP_PKEY> made(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(x), x.size()));
  ERR_clear_error();
  return made;
}

struct ReadKey {
  Owned<EVP_PKEY> key;
  std::vector<JwtAlgorithm> algorithms;
};
ReadKey read_key(const json::object& key) {
  const std::string_view kind = text_of(key, "kty"), curve = text_of(key, "crv");
  if (kind == "RSA") return {rsa_key(key), {JwtAlgorithm::kRs256, JwtAlgorithm::kPs256}};
  if (kind == "EC" && curve == "P-256") return {p256_key(key), {JwtAlgorithm::kEs256}};
  if (kind == "OKP" && curve == "Ed25519") return {ed25519_key(key), {JwtAlgorithm::kEdDsa}};
  return {};
}

// What "use" and "key_ops" say of a key; a key that says nothing may verify.
bool may_verify(const json::object& key) {
  if (key.contains("use") && text_of(key, "use") != "sig") return false;
  const json::value* operations = key.if_contains("key_ops");
  if (operations == nullptr) return true;
  return operations->is_array() &&
         std::ranges::find(operations->get_array(), json::value("verify")) !=
             operations->get_array().end();
}

// The two numbers of an ES256 signature as OpenSSL wants them; empty when they are none.
std::string der_of(std::string_view signature) {
  if (signature.size() != 2 * kCoordinate) return {};
  Owned<BIGNUM> r = number(signature.substr(0, kCoordinate));
  Owned<BIGNUM> s = number(signature.substr(kCoordinate));
  const Owned<ECDSA_SIG> pair(ECDSA_SIG_new());
  if (!pair || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());
  static_cast<void>(s.release());
  unsigned char* data = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &data);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

}  // namespace

std::string_view name_of(JwtAlgorithm algorithm) { return name_in(kAlgorithms, algorithm); }

Result<JwtAlgorithm> parse_algorithm(std::string_view name) {
  if (const JwtAlgorithm* found = find_named(kAlgorithms, name)) return *found;
  return invalid("must be RS256, PS256, ES256 or EdDSA");
}

struct Jwk::State {
  Owned<EVP_PKEY> key;
};

bool Jwk::good_for(JwtAlgorithm algorithm) const {
  return std::ranges::find(algorithms_, algorithm) != algorithms_.end();
}

bool Jwk::verifies(JwtAlgorithm algorithm, std::string_view message,
                   std::string_view signature) const {
  if (!good_for(algorithm)) return false;
  const std::string der = algorithm == JwtAlgorithm::kEs256 ? der_of(signature) : std::string();
  if (algorithm == JwtAlgorithm::kEs256) signature = der;
  if (signature.empty()) return false;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // the context's
  const EVP_MD* digest = algorithm == JwtAlgorithm::kEdDsa ? nullptr : EVP_sha256();
  bool good =
      EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, state_->key.get()) == 1;
  if (good && algorithm == JwtAlgorithm::kPs256) {
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  good = good && EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(message),
                                  message.size()) == 1;
  ERR_clear_error();
  return good;
}

Result<JwkSet> JwkSet::parse(std::string_view text, std::string_view where) {
  const auto wrong = [&](std::string_view what) {
    return invalid(std::string(where) + ": " + std::string(what));
  };
  auto document = parse_json(text, {.depth = 16});
  if (!document) return wrong(document.error().message);
  const json::value* list =
      document->is_object() ? document->get_object().if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array()) return wrong("must be {\"keys\": [...]}");
  if (list->get_array().size() > kMostKeys)
    return wrong("must have at most " + std::to_string(kMostKeys) + " keys");
  JwkSet set;
  for (const json::value& one : list->get_array()) {
    const json::object* key = one.if_object();
    if (key == nullptr || !may_verify(*key)) continue;
    ReadKey read = read_key(*key);
    if (key->contains("alg")) {
      const auto only = parse_algorithm(text_of(*key, "alg"));
      std::erase_if(read.algorithms,
                    [&](JwtAlgorithm algorithm) { return !only || algorithm != *only; });
    }
    if (!read.key || read.algorithms.empty()) continue;
    Jwk usable;
    usable.id_ = std::string(text_of(*key, "kid"));
    usable.algorithms_ = std::move(read.algorithms);
    usable.state_ = std::make_shared<const Jwk::State>(Jwk::State{std::move(read.key)});
    set.keys_.push_back(std::move(usable));
  }
  if (set.keys_.empty())
    return wrong("has no key for RS256, PS256, ES256 or EdDSA (RSA of 2048 bits, P-256, Ed25519)");
  return set;
}

}  // namespace serin::gateway
