// SPDX-License-Identifier: Apache-2.0
// What an option or an argument takes, said once, where it is added: the parser checks it where it
// can, --help and the manual page name it, and the shells' completions offer it.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class Option;
}

namespace serin::cli {

// One of these words and nothing else.
CLI::Option* takes_one_of(CLI::Option* option, const std::vector<std::string>& words);
// Such words: where one is a pattern ("cuda:N") others fit too, and the command checks them.
CLI::Option* takes_words(CLI::Option* option, const std::vector<std::string>& words);
CLI::Option* takes_file(CLI::Option* option);     // one that is there
CLI::Option* takes_path(CLI::Option* option);     // of a file or folder, there or not
CLI::Option* takes_folder(CLI::Option* option);   // there or not
CLI::Option* takes_package(CLI::Option* option);  // a package's folder, archive or URL
CLI::Option* takes_service(CLI::Option* option);  // the name of one that runs
CLI::Option* takes_topic(CLI::Option* option);    // commands, and what `serin help` explains

// Numbers, both bounds among them.
CLI::Option* takes_between(CLI::Option* option, double low, double high);
CLI::Option* takes_from(CLI::Option* option, double low);
CLI::Option* takes_positive(CLI::Option* option);  // more than 0
CLI::Option* takes_port(CLI::Option* option);      // of TCP; 0 stands for any free one
CLI::Option* takes_bytes(CLI::Option* option);     // 65536, 64KiB, 2GiB
CLI::Option* takes_duration(CLI::Option* option);  // 250ms, 90s, 7d

// Of --device.
inline const std::vector<std::string> kDevices{"auto", "cpu", "cuda:N"};

// What completions make of it.
struct Taken {
  enum class Kind { kNothing, kAnything, kWords, kPath, kFolder, kPackage, kService, kTopic } kind;
  std::vector<std::string> words = {};  // of kWords
};
Taken taken_by(const CLI::Option& option);  // kNothing: a flag

}  // namespace serin::cli
