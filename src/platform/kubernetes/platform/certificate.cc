// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>

namespace serin::platform::kubernetes {
namespace {

template <auto release>
struct Release {
  template <class T>
  void operator()(T* held) const {
    release(held);
  }
};
template <class T, auto release>
using Owned = std::unique_ptr<T, Release<release>>;

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;
using Memory = Owned<BIO, BIO_free_all>;

constexpr std::chrono::hours kEarlier{1};
constexpr int kSerialBytes = 16;
constexpr int kTokenBytes = 32;
constexpr long kVersion3 = 2;  // as it is written

std::string text_of(BIO* memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

bool set_times(X509* made, WallTime from, WallTime until) {
  const auto seconds = [](WallTime time) { return std::chrono::system_clock::to_time_t(time); };
  return ASN1_TIME_set(X509_getm_notBefore(made), seconds(from)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(made), seconds(until)) != nullptr;
}

// No two certificates of one name have the same number.
bool set_serial(X509* made) {
  std::array<unsigned char, kSerialBytes> bytes{};
  if (RAND_bytes(bytes.data(), kSerialBytes) != 1) return false;
  bytes[0] &= 0x7f;  // a positive number
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(bytes.data(), kSerialBytes, nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made)) != nullptr;
}

// The subject is another in each: who believes two certificates looks for the right one by it.
bool set_name(X509* made, const std::string& name) {
  X509_NAME* const subject = X509_get_subject_name(made);
  const auto nonce = make_token();
  if (!nonce) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(nonce->c_str());
  const Owned<X509_EXTENSION, X509_EXTENSION_free> names(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str()));
  return X509_NAME_add_entry_by_txt(subject, "serialNumber", MBSTRING_ASC, bytes, -1, -1, 0) == 1 &&
         X509_set_issuer_name(made, subject) == 1 && names &&
         X509_add_ext(made, names.get(), -1) == 1;
}

}  // namespace

Result<KeyPair> make_certificate(const std::string& name, WallTime now, WallTime until) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate made(X509_new());
  const Memory certificate(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_mem()));
  const bool done =
      key && made && certificate && secret && X509_set_version(made.get(), kVersion3) == 1 &&
      set_serial(made.get()) && set_times(made.get(), now - kEarlier, until) &&
      set_name(made.get(), name) && X509_set_pubkey(made.get(), key.get()) == 1 &&
      X509_sign(made.get(), key.get(), EVP_sha256()) != 0 &&
      PEM_write_bio_X509(certificate.get(), made.get()) == 1 &&
      PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!done) return fail(Code::kInternal, "cannot make a certificate for " + name);
  return KeyPair{text_of(certificate.get()), text_of(secret.get())};
}

std::optional<WallTime> valid_until(std::string_view certificate) {
  const Memory text(BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())));
  const Certificate read(text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr);
  std::tm time{};
  if (!read || ASN1_TIME_to_tm(X509_get0_notAfter(read.get()), &time) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&time));
}

Result<std::string> make_token() {
  std::array<unsigned char, kTokenBytes> bytes{};
  if (RAND_bytes(bytes.data(), kTokenBytes) != 1)
    return fail(Code::kInternal, "there are no random numbers for a token");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string token;
  for (const unsigned char byte : bytes) {
    token += kDigits[byte >> 4];
    token += kDigits[byte & 15];
  }
  return token;
}

}  // namespace serin::platform::kubernetes
