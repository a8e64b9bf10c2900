// SPDX-License-Identifier: Apache-2.0
// For tests: a certificate for localhost and 127.0.0.1 that vouches for itself, made anew in a
// folder of its own; and being somebody who trusts it.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/files.h"
#include "net/http/server.h"

namespace serin::net {

inline TlsFiles make_tls_files(const std::filesystem::path& folder,
                               const std::string& owner = "serin test") {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(owner.c_str()), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  X509_add_ext(made.get(), names, -1);
  X509_EXTENSION_free(names);
  X509_sign(made.get(), key.get(), EVP_sha256());
  const TlsFiles files{(folder / "cert.pem").string(), (folder / "key.pem").string()};
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> certificate(
      std::fopen(files.certificate.c_str(), "w"), std::fclose);
  PEM_write_X509(certificate.get(), made.get());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> secret(std::fopen(files.key.c_str(), "w"),
                                                               std::fclose);
  PEM_write_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return files;
}

class Trusting {
 public:
  explicit Trusting(const std::string& authority) {
    ::setenv("SSL_CERT_FILE", authority.c_str(), 1);
  }
  ~Trusting() { ::unsetenv("SSL_CERT_FILE"); }
  Trusting(const Trusting&) = delete;
  Trusting& operator=(const Trusting&) = delete;
};

}  // namespace serin::net
