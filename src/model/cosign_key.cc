// SPDX-License-Identifier: Apache-2.0
#include "model/cosign_key.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/base64.h"
#include "base/json_members.h"

namespace serin::model {
namespace {

// Of cosign 2 and 3, and of cosign 1.
constexpr std::array<std::string_view, 2> kKinds = {"ENCRYPTED SIGSTORE PRIVATE KEY",
                                                    "ENCRYPTED COSIGN PRIVATE KEY"};
// What has been written since there is cosign: others could ask for any time and memory.
constexpr std::array<std::int64_t, 3> kCosts = {1 << 15, 1 << 16, 1 << 17};
constexpr std::int64_t kBlockSize = 8;
constexpr std::uint64_t kScryptMemory = std::uint64_t{192} << 20;

// The bytes between the lines; empty where there are none of that kind.
std::string_view body_of(std::string_view pem, std::string_view kind) {
  const std::string begin = "-----BEGIN " + std::string(kind) + "-----";
  const std::size_t from = pem.find(begin);
  if (from == std::string_view::npos) return {};
  const std::size_t to = pem.find("-----END " + std::string(kind) + "-----", from);
  if (to == std::string_view::npos) return {};
  return pem.substr(from + begin.size(), to - from - begin.size());
}

std::string_view body_of(std::string_view pem) {
  for (const std::string_view kind : kKinds) {
    if (const std::string_view body = body_of(pem, kind); !body.empty()) return body;
  }
  return {};
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

struct Box {
  std::int64_t cost = 0;
  std::string salt, nonce, content;
};

bool is_number(const json::value* value, std::int64_t wanted) {
  return value != nullptr && value->is_int64() && value->get_int64() == wanted;
}

Result<Box> read_box(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(text));
  const json::value* kdf = member(document, "kdf");
  const json::value* cipher = member(document, "cipher");
  const json::value* params = member(kdf, "params");
  const json::value* cost = member(params, "N");
  Box box;
  for (const std::int64_t known : kCosts) {
    if (is_number(cost, known)) box.cost = known;
  }
  if (text_of(member(kdf, "name")) != "scrypt" || box.cost == 0 ||
      !is_number(member(params, "r"), kBlockSize) || !is_number(member(params, "p"), 1) ||
      text_of(member(cipher, "name")) != "nacl/secretbox")
    return invalid("it is encrypted in a way that cosign does not use");
  SERIN_TRY_ASSIGN(box.salt, from_base64(text_of(member(kdf, "salt"))));
  SERIN_TRY_ASSIGN(box.nonce, from_base64(text_of(member(cipher, "nonce"))));
  SERIN_TRY_ASSIGN(box.content, from_base64(text_of(member(document, "ciphertext"))));
  if (box.nonce.size() != crypto_secretbox_NONCEBYTES ||
      box.content.size() < crypto_secretbox_MACBYTES)
    return invalid("it is cut");
  return box;
}

Result<std::string> open_box(const Box& box, std::string_view password) {
  std::array<unsigned char, crypto_secretbox_KEYBYTES> key{};
  if (EVP_PBE_scrypt(password.data(), password.size(), bytes(box.salt), box.salt.size(),
                     static_cast<std::uint64_t>(box.cost), kBlockSize, 1, kScryptMemory, key.data(),
                     key.size()) != 1)
    return fail(Code::kResourceExhausted, "there is not enough memory to open it");
  std::string opened(box.content.size() - crypto_secretbox_MACBYTES, '\0');
  const int wrong = crypto_secretbox_open_easy(reinterpret_cast<unsigned char*>(opened.data()),
                                               bytes(box.content), box.content.size(),
                                               bytes(box.nonce), key.data());
  sodium_memzero(key.data(), key.size());
  if (wrong == 0) return opened;
  return invalid(password.empty() ? "has a password; cosign's COSIGN_PASSWORD gives it"
                                  : "its password is another than COSIGN_PASSWORD");
}

}  // namespace

bool is_cosign_key(std::string_view pem) { return !body_of(pem).empty(); }

Result<std::string> open_cosign_key(std::string_view pem, std::string_view password) {
  std::string encoded(body_of(pem));
  std::erase_if(encoded, [](unsigned char c) { return std::isspace(c) != 0; });
  const auto text = from_base64(encoded);
  if (!text) return invalid("is no private key of cosign: it is not base64");
  auto box = read_box(*text);
  if (!box) return fail(std::move(box).error().within("is no private key of cosign"));
  SERIN_TRY_ASSIGN(const std::string der, open_box(*box, password));
  std::string lines = to_base64(der);
  for (std::size_t at = 64; at < lines.size(); at += 65) lines.insert(at, "\n");
  return "-----BEGIN PRIVATE KEY-----\n" + lines + "\n-----END PRIVATE KEY-----\n";
}

}  // namespace serin::model
