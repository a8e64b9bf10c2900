// SPDX-License-Identifier: Apache-2.0
#include "model/dsse.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/base64.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/files.h"
#include "model/cosign_key.h"

namespace serin::model {
namespace {

constexpr std::uint64_t kPemLimit = 1 << 20;
constexpr std::size_t kMostCertificates = 16;
constexpr char kOtherKey[] = "must be an elliptic-curve key on P-256, P-384 or P-521";

struct Free {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> reading(std::string_view bytes) {
  return Owned<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

std::string drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

// Keeps OpenSSL from asking a terminal, and from deriving a key, as often as the file says, where
// there is no password.
int give_password(char* buffer, int size, int, void* password) {
  const auto& text = *static_cast<const std::string_view*>(password);
  if (text.empty() || text.size() > static_cast<std::size_t>(size)) return -1;
  text.copy(buffer, text.size());
  return static_cast<int>(text.size());
}

// The digest that goes with the key's curve; null for other keys.
const EVP_MD* digest_for(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return nullptr;
  switch (EVP_PKEY_get_bits(key)) {
    case 256:
      return EVP_sha256();
    case 384:
      return EVP_sha384();
    case 521:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

std::string public_pem(EVP_PKEY* key) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  SERIN_CHECK(PEM_write_bio_PUBKEY(out.get(), key) == 1);
  return drain(out.get());
}

std::string hint_of(EVP_PKEY* key) { return sha256_hex(public_pem(key)); }

std::string der_of(X509* certificate) {
  unsigned char* data = nullptr;
  const int size = i2d_X509(certificate, &data);
  SERIN_CHECK(size > 0);
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

std::vector<Owned<X509>> read_certificates(std::string_view pem) {
  const Owned<BIO> in = reading(pem);
  std::vector<Owned<X509>> certificates;
  while (certificates.size() < 1000) {
    Owned<X509> certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    certificates.push_back(std::move(certificate));
  }
  ERR_clear_error();  // the end of the file is one
  return certificates;
}

bool verifies(EVP_PKEY* key, std::string_view message, std::string_view signature) {
  const EVP_MD* digest = digest_for(key);
  if (digest == nullptr) return false;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool good =
      EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(message.data()),
                       message.size()) == 1;
  ERR_clear_error();
  return good;
}

bool verifies(EVP_PKEY* key, const Envelope& envelope) {
  const std::string message = pre_authentication_encoding(envelope.payload_type, envelope.payload);
  return std::ranges::any_of(envelope.signatures, [&](const std::string& signature) {
    return verifies(key, message, signature);
  });
}

// Whether the certificate's owner may sign: the key usage for signatures, or the extended one for
// code.
bool may_sign(X509* certificate) {
  const std::uint32_t usage = X509_get_key_usage(certificate);
  if (usage != UINT32_MAX && (usage & KU_DIGITAL_SIGNATURE) != 0) return true;
  const std::uint32_t extended = X509_get_extended_key_usage(certificate);
  return extended != UINT32_MAX && (extended & XKU_CODE_SIGN) != 0;
}

std::string subject_of(X509* certificate) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  return drain(out.get());
}

}  // namespace

std::string pre_authentication_encoding(std::string_view payload_type, std::string_view payload) {
  std::string text = "DSSEv1 " + std::to_string(payload_type.size()) + ' ';
  text.append(payload_type)
      .append(" ")
      .append(std::to_string(payload.size()))
      .append(" ")
      .append(payload);
  return text;
}

json::object to_json(const Envelope& envelope) {
  json::array signatures;
  for (const std::string& signature : envelope.signatures) {
    signatures.push_back(json::object{{"sig", to_base64(signature)}, {"keyid", ""}});
  }
  return {{"payload", to_base64(envelope.payload)},
          {"payloadType", envelope.payload_type},
          {"signatures", std::move(signatures)}};
}

Result<Envelope> parse_envelope(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return invalid("the envelope must be an object");
  const auto text = [&](const json::object& from, std::string_view name) -> Result<std::string> {
    const json::value* found = from.if_contains(name);
    if (found == nullptr || !found->is_string())
      return invalid("the envelope has no " + std::string(name));
    return std::string(found->get_string());
  };
  const auto bytes = [&](const json::object& from, std::string_view name) -> Result<std::string> {
    SERIN_TRY_ASSIGN(const std::string encoded, text(from, name));
    auto decoded = from_base64(encoded);
    if (!decoded)
      return fail(std::move(decoded.error()).within("the envelope's " + std::string(name)));
    return decoded;
  };
  Envelope envelope;
  SERIN_TRY_ASSIGN(envelope.payload_type, text(*object, "payloadType"));
  SERIN_TRY_ASSIGN(envelope.payload, bytes(*object, "payload"));
  const json::value* signatures = object->if_contains("signatures");
  if (signatures == nullptr || !signatures->is_array())
    return invalid("the envelope has no list of signatures");
  if (signatures->get_array().size() > 16)
    return invalid("the envelope has more than 16 signatures");
  for (const json::value& one : signatures->get_array()) {
    if (!one.is_object()) return invalid("a signature of the envelope must be an object");
    SERIN_TRY_ASSIGN(std::string signature, bytes(one.get_object(), "sig"));
    envelope.signatures.push_back(std::move(signature));
  }
  return envelope;
}

struct SigningKey::State {
  Owned<EVP_PKEY> key;
};

Result<SigningKey> SigningKey::parse(std::string_view text, std::string_view password) {
  std::string opened;
  if (is_cosign_key(text)) {
    SERIN_TRY_ASSIGN(opened, open_cosign_key(text, password));
  }
  const std::string_view pem = opened.empty() ? text : opened;
  const Owned<BIO> in = reading(pem);
  auto state = std::make_shared<State>();
  state->key.reset(PEM_read_bio_PrivateKey(in.get(), nullptr, give_password, &password));
  ERR_clear_error();
  const bool encrypted = pem.find("ENCRYPTED") != std::string_view::npos;
  if (!state->key && encrypted && password.empty()) {
    return invalid(
        "is a private key with a password, which is not taken; `openssl pkey -in KEY -out PLAIN` "
        "writes it without");
  }
  if (!state->key) return invalid("is not a private key in PEM, or its password is another");
  if (digest_for(state->key.get()) == nullptr) return invalid(kOtherKey);
  SigningKey key;
  key.state_ = std::move(state);
  return key;
}

Result<SigningKey> SigningKey::load(const std::filesystem::path& path, std::string_view password,
                                    const std::vector<std::filesystem::path>& certificates) {
  SERIN_TRY_ASSIGN(const std::string pem, read_file(path, kPemLimit));
  auto key = parse(pem, password);
  if (!key) return fail(std::move(key.error()).within(path.string()));
  for (const auto& file : certificates) {
    SERIN_TRY_ASSIGN(const std::string text, read_file(file, kPemLimit));
    const auto read = read_certificates(text);
    if (read.empty()) return invalid(file.string() + ": has no certificate in PEM");
    if (key->certificates_.empty() &&
        X509_check_private_key(read[0].get(), key->state_->key.get()) != 1) {
      ERR_clear_error();
      return invalid(file.string() + ": is not the certificate of the key " + path.string());
    }
    if (key->certificates_.empty() && !may_sign(read[0].get())) {
      return invalid(file.string() +
                     ": is not for signing, so nobody would believe it: have it made with "
                     "keyUsage=digitalSignature, or extendedKeyUsage=codeSigning");
    }
    for (const auto& certificate : read) key->certificates_.push_back(der_of(certificate.get()));
  }
  return key;
}

std::string SigningKey::sign(std::string_view message) const {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const auto* data = reinterpret_cast<const unsigned char*>(message.data());
  std::size_t size = 0;
  EVP_PKEY* key = state_->key.get();
  SERIN_CHECK(EVP_DigestSignInit(context.get(), nullptr, digest_for(key), nullptr, key) == 1);
  SERIN_CHECK(EVP_DigestSign(context.get(), nullptr, &size, data, message.size()) == 1);
  std::string signature(size, '\0');
  SERIN_CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                             &size, data, message.size()) == 1);
  signature.resize(size);
  return signature;
}

std::string SigningKey::hint() const { return hint_of(state_->key.get()); }
std::string SigningKey::public_key() const { return public_pem(state_->key.get()); }
int SigningKey::bits() const { return EVP_PKEY_get_bits(state_->key.get()); }

struct Trust::State {
  Owned<EVP_PKEY> key;  // null: certificates
  std::vector<Owned<X509>> authorities;

  Result<std::string> verify_key(const Envelope& envelope, const Voucher& voucher) const;
  Result<std::string> verify_chain(const Envelope& envelope, const Voucher& voucher) const;
};

Result<Trust> Trust::parse(std::string_view pem) {
  auto state = std::make_shared<State>();
  const Owned<BIO> in = reading(pem);
  state->key.reset(PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (state->key && digest_for(state->key.get()) == nullptr) return invalid(kOtherKey);
  if (!state->key) state->authorities = read_certificates(pem);
  if (!state->key && state->authorities.empty()) {
    return invalid("must hold a public key or certificates in PEM");
  }
  Trust trust;
  trust.state_ = std::move(state);
  return trust;
}

Result<Trust> Trust::load(const std::filesystem::path& path) {
  SERIN_TRY_ASSIGN(const std::string pem, read_file(path, kPemLimit));
  auto trust = parse(pem);
  if (!trust) return fail(std::move(trust.error()).within(path.string()));
  return trust;
}

Result<std::string> Trust::State::verify_key(const Envelope& envelope,
                                             const Voucher& voucher) const {
  const std::string hint = hint_of(key.get());
  if (!voucher.certificates.empty())
    return fail(Code::kPermissionDenied,
                "is signed with a certificate; the trusted key is a bare public key");
  if (!voucher.hint.empty() && voucher.hint != hint) {
    return fail(Code::kPermissionDenied,
                "is signed by the key " + voucher.hint + ", not by the trusted " + hint);
  }
  if (!verifies(key.get(), envelope))
    return fail(Code::kPermissionDenied, "its signature is not by the trusted key " + hint);
  return "public key " + hint;
}

Result<std::string> Trust::State::verify_chain(const Envelope& envelope,
                                               const Voucher& voucher) const {
  if (voucher.certificates.empty())
    return fail(Code::kPermissionDenied, "is signed with a bare key; certificates are trusted");
  if (voucher.certificates.size() > kMostCertificates)
    return invalid("has more than 16 certificates");
  std::vector<Owned<X509>> chain;
  const Owned<STACK_OF(X509)> between(sk_X509_new_null());
  for (const std::string& der : voucher.certificates) {
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    chain.emplace_back(d2i_X509(nullptr, &data, static_cast<long>(der.size())));
    ERR_clear_error();
    if (!chain.back())
      return invalid("certificate " + std::to_string(chain.size()) + " cannot be read");
    if (chain.size() > 1) sk_X509_push(between.get(), chain.back().get());
  }
  const Owned<X509_STORE> store(X509_STORE_new());
  for (const auto& authority : authorities) X509_STORE_add_cert(store.get(), authority.get());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  SERIN_CHECK(X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), between.get()) == 1);
  tm start{};
  if (ASN1_TIME_to_tm(X509_get0_notBefore(chain[0].get()), &start) != 1)
    return invalid("the certificate has no time from which it is valid");
  X509_STORE_CTX_set_time(context.get(), 0, timegm(&start));
  const bool trusted = X509_verify_cert(context.get()) == 1;
  const std::string why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  ERR_clear_error();
  if (!trusted) return fail(Code::kPermissionDenied, "its certificate is not trusted: " + why);
  if (!may_sign(chain[0].get()))
    return fail(Code::kPermissionDenied, "its certificate is not for signing");
  if (!verifies(X509_get0_pubkey(chain[0].get()), envelope))
    return fail(Code::kPermissionDenied, "its signature is not by its certificate's key");
  return subject_of(chain[0].get());
}

Result<std::string> Trust::verify(const Envelope& envelope, const Voucher& voucher) const {
  if (envelope.signatures.empty()) return fail(Code::kPermissionDenied, "is not signed");
  return state_->key ? state_->verify_key(envelope, voucher)
                     : state_->verify_chain(envelope, voucher);
}

Result<std::string> Trust::verify_message(std::string_view message,
                                          std::string_view signature) const {
  if (!state_->key) return invalid("certificates are not taken here; give a public key in PEM");
  const std::string hint = hint_of(state_->key.get());
  if (verifies(state_->key.get(), message, signature)) return "public key " + hint;
  return fail(Code::kPermissionDenied, "its signature is not by the trusted key " + hint);
}

}  // namespace serin::model
