// SPDX-License-Identifier: Apache-2.0
// `serin package inspect` and `verify`: what a package is, and whether it holds.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "base/clock.h"
#include "base/files.h"
#include "cli/package_line.h"
#include "cli/signing.h"
#include "cli/version.h"
#include "engine/golden.h"
#include "engine/reproducible.h"
#include "model/attestation.h"
#include "model/sign.h"
#include "model/source.h"
#include "worker/api/relay/relay_routes.h"

namespace serin::cli {
namespace {

// Nothing without --trust.
Result<std::optional<model::Trust>> trust_of(const PackageLine& line) {
  if (line.trust.empty()) return std::optional<model::Trust>();
  SERIN_TRY_ASSIGN(auto trust, model::Trust::load(line.trust));
  return std::optional(std::move(trust));
}

constexpr const char* kAskTrust = "; --trust says whether by whom you trust";

// Whether it is signed, of what, by whom, and whether that is believed.
Status print_signature(const PackageLine& line, const model::Package& package) {
  std::cout << "signed:   ";
  const auto signature = model::read_signature(package);
  if (!signature) {
    std::cout << "not believed: " << signature.error().message << "\n";
    return {};
  }
  if (!*signature) {
    std::cout << "no\n";
    return {};
  }
  const std::size_t files = (*signature)->resources.size();
  const std::string covered =
      ", " + std::to_string(files) + (files == 1 ? " file" : " files, model.yaml among them");
  SERIN_TRY_ASSIGN(const auto trust, trust_of(line));
  if (!trust) {
    const auto signed_this = model::check_covers(**signature, package);
    if (signed_this) {
      std::cout << "by somebody" << covered << kAskTrust << "\n";
    } else {
      std::cout << "not believed: " << signed_this.error().message << "\n";
    }
    return {};
  }
  const auto signer = model::verify_signature(package, *trust);
  if (signer) {
    std::cout << "by " << *signer << covered << "\n";
  } else {
    std::cout << "not believed: " << signer.error().message << "\n";
  }
  return {};
}

// With --trust, who signed, which is an error where it is not to be believed. Without it, only that
// a signature is of something else.
Status say_signer(const PackageLine& line, const model::Package& package, std::ostream& said) {
  SERIN_TRY_ASSIGN(const auto trust, trust_of(line));
  if (trust) {
    SERIN_TRY_ASSIGN(const auto signer, model::verify_signature(package, *trust));
    said << "signed by " << signer << "\n";
    return {};
  }
  const auto signature = model::read_signature(package);
  Status believed;
  if (!signature) {
    believed = fail(signature.error());
  } else if (*signature) {
    believed = model::check_covers(**signature, package);
  }
  if (!believed) said << "not believed: " << believed.error().message << "\n";
  return {};
}

// What was attested of the package, by whom, and what of it is not believed.
Status print_attestations(const PackageLine& line, const model::Package& package,
                          std::ostream& said) {
  SERIN_TRY_ASSIGN(const auto trust, trust_of(line));
  SERIN_TRY_ASSIGN(const auto all, model::read_attestations(package, trust ? &*trust : nullptr));
  for (const model::Testimony& one : all) {
    if (!one.attestation) {
      said << "not believed: " << one.attestation.error().message << "\n";
      continue;
    }
    said << "attested: " << one.attestation->profile << " " << in_a_word(*one.attestation)
         << ", signed by " << one.signer << (one.signer == "somebody" ? kAskTrust : "") << "\n";
  }
  return {};
}

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// Says what was measured and writes it beside the package, signed where a key is given.
Status attest(const PackageLine& line, const model::Package& package, std::ostream& said) {
  SERIN_TRY_ASSIGN(const auto options, engine_options(line));
  std::optional<model::SigningKey> key;
  if (!line.key.empty()) {
    SERIN_TRY_ASSIGN(key, signing_key(line.key, line.certificates));
  }
  SERIN_TRY_ASSIGN(const auto report, engine::verify_reproducible(package, options));
  model::Attestation attestation;
  attestation.profile = report.profile;
  attestation.software = std::string("serin ") + kVersion;
  for (const engine::OutputReport& output : report.outputs) {
    attestation.outputs.push_back({output.output, output.bitwise, output.largest_difference});
    said << output.output << ": " << in_a_word(attestation.outputs.back()) << "\n";
  }
  SERIN_TRY_ASSIGN(const auto path, model::write_attestation(package, attestation,
                                                             key ? &*key : nullptr, Clock::real()));
  const std::string what =
      package.manifest.golden.empty() ? "request of defaults" : "golden request";
  said << counted(report.requests, what) << ", " << counted(report.runs, "run") << " in company on "
       << report.profile << "; wrote " << path << (key ? "" : ", unsigned") << "\n";
  return {};
}

// Of those that were run without an error.
void print_golden(const std::vector<model::Golden>& golden, std::ostream& said) {
  const auto recorded = static_cast<std::size_t>(
      std::ranges::count_if(golden, [](const model::Golden& one) { return !one.expect.empty(); }));
  const std::size_t others = golden.size() - recorded;
  if (golden.empty()) said << "there are no golden requests\n";
  if (recorded != 0) {
    said << counted(recorded, "golden request") << " gave what "
         << (recorded == 1 ? "it must\n" : "they must\n");
  }
  if (others != 0)
    said << counted(others, "golden request") << " ran; nothing is recorded to compare with\n";
}

}  // namespace

Result<engine::EngineOptions> engine_options(const PackageLine& line) {
  engine::EngineOptions options;
  SERIN_TRY_ASSIGN(options.device, engine::parse_device(line.device));
  options.threads = line.threads;
  options.cache = cache_directory() / "compiled";
  return options;
}

Result<std::unique_ptr<worker::Upstream>> upstream_of(const PackageLine& line,
                                                      const model::Package& package) {
  constexpr std::chrono::milliseconds kUpWithin{60'000};
  std::unique_ptr<worker::Upstream> upstream;
  if (!package.manifest.remote) return upstream;
  SERIN_TRY_ASSIGN(upstream, worker::Upstream::open(package, line.upstream));
  SERIN_TRY(upstream->begin());
  SERIN_TRY(upstream->wait_up(kUpWithin));
  return upstream;
}

Status run_golden(const PackageLine& line, const model::Package& package) {
  SERIN_TRY_ASSIGN(const auto upstream, upstream_of(line, package));
  if (package.manifest.relayed()) {
    SERIN_TRY_ASSIGN(const auto parser, engine::RequestParser::create(package));
    return worker::api::prove_upstream(package, parser, *upstream);
  }
  SERIN_TRY_ASSIGN(auto options, engine_options(line));
  if (upstream != nullptr) options.upstream = upstream->address();
  return engine::verify_golden(package, options);
}

Status inspect(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto held,
                   model::fetch_package(line.package.string(), source_options(line.from)));
  // A signature is of bytes.
  const auto how = line.trust.empty() ? model::Verify::kStructure : model::Verify::kDigests;
  SERIN_TRY_ASSIGN(const auto package, model::open_package(held.root, how));
  const model::Manifest& manifest = package.manifest;
  std::uint64_t bytes = 0;
  for (const model::FileEntry& file : manifest.files) bytes += file.size;
  std::cout << "name:     " << manifest.name << "\n"
            << "digest:   " << package.digest << "\n"
            << "task:     " << name_of(manifest.task) << "\n"
            << "engine:   " << name_of(manifest.engine) << "\n";
  if (manifest.remote) {
    std::string command;
    for (const std::string& word : manifest.remote->command) command += " " + word;
    std::cout << "upstream: " << manifest.remote->url << "\n";
    if (!command.empty()) std::cout << "starts:  " << command << "\n";
  }
  std::cout << "files:    " << manifest.files.size() << ", " << bytes << " bytes\n";
  if (!manifest.description.empty()) std::cout << "about:    " << manifest.description << "\n";
  if (!manifest.license.empty()) std::cout << "license:  " << manifest.license << "\n";
  for (const model::Input& input : manifest.inputs) {
    std::cout << "input:    " << input.name << (input.doc.empty() ? "" : "  " + input.doc) << "\n";
  }
  for (const model::Output& output : manifest.outputs)
    std::cout << "output:   " << output.name << "\n";
  SERIN_TRY(print_signature(line, package));
  return print_attestations(line, package, std::cout);
}

Status verify(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto held,
                   model::fetch_package(line.package.string(), source_options(line.from)));
  SERIN_TRY_ASSIGN(const auto package, model::open_package(held.root, model::Verify::kDigests));
  std::ostringstream said;
  SERIN_TRY(say_signer(line, package, said));
  if (line.run) {
    SERIN_TRY(run_golden(line, package));
    print_golden(package.manifest.golden, said);
  }
  SERIN_TRY(line.reproducible ? attest(line, package, said)
                              : print_attestations(line, package, said));
  std::cout << package.digest << "\n" << said.str();
  return {};
}

}  // namespace serin::cli
