// SPDX-License-Identifier: Apache-2.0
#include "cli/source.h"

#include <CLI/CLI.hpp>
#include <csignal>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/takes.h"
#include "objects/oci_reference.h"

namespace serin::cli {
namespace {

constexpr std::chrono::seconds kBetweenLines{2};

}  // namespace

void add_registry_option(CLI::App& command, SourceLine& line) {
  takes_folder(command.add_option("--registry", line.registry, "Folder of the packages with names"))
      ->capture_default_str()
      ->group("Source");
}

void add_source_options(CLI::App& command, SourceLine& line) {
  add_registry_option(command, line);
  command.add_option("--digest", line.digest, "Digest that the package must have, sha256:…")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return objects::is_oci_digest(text) ? std::string()
                                                : "must be sha256: and 64 lower-case hex digits";
          },
          ""))
      ->group("Source");
  takes_bytes(
      command.add_option("--cache-bytes", line.cache_bytes,
                         "Bytes of fetched packages that are kept; the longest unused go first"))
      ->group("Source");
}

model::SourceOptions source_options(const SourceLine& line) {
  std::signal(SIGPIPE, SIG_IGN);
  model::SourceOptions options;
  options.cache = cache_directory() / "packages";
  options.registry = line.registry;
  options.cache_bytes = line.cache_bytes;
  options.digest = line.digest;
  options.progress = [last = Clock::real().now()](std::uint64_t done, std::uint64_t total) mutable {
    const Instant now = Clock::real().now();
    if (now - last < kBetweenLines && done < total) return;
    last = now;
    log::info("fetching", {{"bytes", done}, {"of", total}});
  };
  return options;
}

}  // namespace serin::cli
