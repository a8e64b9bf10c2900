// SPDX-License-Identifier: Apache-2.0
// No key or certificate may crash its reader: PEM, as a user's files hold it, and after a zero byte
// DER, as a signature brings it.
#include "model/dsse.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace serin::model;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view pem = input.substr(0, input.find('\0'));
  const std::string_view der = input.substr(std::min(pem.size() + 1, size));
  (void)SigningKey::parse(pem);
  const auto trust = Trust::parse(pem);
  if (!trust) return 0;
  const Envelope envelope{
      .payload_type = "text/plain", .payload = "payload", .signatures = {"signature"}};
  (void)trust->verify(envelope, {.hint = {}, .certificates = {}});
  (void)trust->verify(envelope, {.hint = {}, .certificates = {std::string(der)}});
  return 0;
}
