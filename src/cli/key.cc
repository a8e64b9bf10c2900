// SPDX-License-Identifier: Apache-2.0
// `serin key …`: bearer keys, which a worker knows only by their hashes.
#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>

#include "base/digest.h"
#include "cli/command.h"

namespace serin::cli {
namespace {

Status make_key() {
  std::array<unsigned char, 32> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail(Code::kUnavailable, "the system gave no random bytes");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string key = "sk-serin-";
  for (const unsigned char byte : bytes) {
    key += kDigits[byte >> 4];
    key += kDigits[byte & 15];
  }
  std::cout << "key:  " << key << "\nhash: " << sha256_hex(key) << "\n";
  return {};
}

Status hash_key() {
  std::string key;
  if (!std::getline(std::cin, key) || key.empty())
    return invalid("give the key on standard input, on one line");
  std::cout << sha256_hex(key) << "\n";
  return {};
}

}  // namespace

void add_key(CLI::App& app, Action& chosen) {
  CLI::App* group = app.add_subcommand("key", "Make and hash bearer keys for --key-file");
  group->require_subcommand(1);
  group->add_subcommand("new", "Print a new key, once, and its hash")->callback([&chosen] {
    chosen = make_key;
  });
  group->add_subcommand("hash", "Print the hash of the key on standard input")->callback([&chosen] {
    chosen = hash_key;
  });
}

}  // namespace serin::cli
