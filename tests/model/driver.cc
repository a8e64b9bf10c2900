// SPDX-License-Identifier: Apache-2.0
// The functions of src/model on a command line, for the tests in Python beside it. Not shipped.
#include <iostream>
#include <string>
#include <vector>

#include "model/archive.h"
#include "model/import.h"
#include "model/sign.h"

namespace {

using namespace serin;
using namespace serin::model;
using Words = std::vector<std::string>;

Status seal(const Words& words) {
  SERIN_TRY_ASSIGN(const Package package, seal_package(words[0]));
  std::cout << package.digest << "\n";
  return {};
}

// sign PACKAGE KEY [CERTIFICATE…]
Status sign(const Words& words) {
  SERIN_TRY_ASSIGN(const Package package, open_package(words[0], Verify::kDigests));
  SERIN_TRY_ASSIGN(const SigningKey key,
                   SigningKey::load(words[1], {}, {words.begin() + 2, words.end()}));
  return sign_package(package, key);
}

// verify PACKAGE TRUST
Status verify(const Words& words) {
  SERIN_TRY_ASSIGN(const Package package, open_package(words[0], Verify::kDigests));
  SERIN_TRY_ASSIGN(const Trust trust, Trust::load(words[1]));
  SERIN_TRY_ASSIGN(const std::string signer, verify_signature(package, trust));
  std::cout << signer << "\n";
  return {};
}

// import SOURCE OUTPUT EXPORTER CLASS|- [INPUT…]
Status import(const Words& words) {
  ImportOptions options;
  options.source = words[0];
  options.output = words[1];
  options.exporter = words[2];
  if (words[3] != "-") options.class_name = words[3];
  for (std::size_t i = 4; i < words.size(); ++i) {
    SERIN_TRY_ASSIGN(InputShape shape, parse_input_shape(words[i]));
    options.inputs.push_back(std::move(shape));
  }
  SERIN_TRY_ASSIGN(const Imported imported, import_model(options));
  for (const std::string& warning : imported.warnings) std::cout << warning << "\n";
  std::cout << "verified " << imported.verified << "\n";
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  const Words words(arguments + 2, arguments + count);
  const std::string_view command = arguments[1];
  const Status status = command == "seal"     ? seal(words)
                        : command == "sign"   ? sign(words)
                        : command == "verify" ? verify(words)
                                              : import(words);
  if (status) return 0;
  std::cerr << status.error().message << "\n";
  return 1;
}
