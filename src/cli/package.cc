// SPDX-License-Identifier: Apache-2.0
// `serin package …`: everything one does to a package on disk.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/files.h"
#include "cli/command.h"
#include "cli/source.h"
#include "cli/takes.h"
#include "cli/version.h"
#include "engine/golden.h"
#include "engine/loaded_package.h"
#include "engine/reproducible.h"
#include "model/archive.h"
#include "model/attestation.h"
#include "model/exporter.h"
#include "model/folder.h"
#include "model/import.h"
#include "model/package.h"
#include "model/registry.h"
#include "model/sign.h"
#include "model/skeleton.h"
#include "model/source.h"
#include "worker/api/relay/relay_routes.h"
#include "worker/upstream/upstream.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;

struct PackageLine {
  fs::path package, archive, folder, source, key, trust;
  std::string class_name;
  model::Task task = model::Task::kInference;
  model::EngineKind engine = model::EngineKind::kTorch;
  std::vector<std::string> inputs;
  std::vector<fs::path> certificates;
  std::string device = "cpu";
  int threads = 1;
  bool run = false, reproducible = false, golden = false;
  std::string destination;
  bool replace = false;
  SourceLine from;
  worker::UpstreamOptions upstream;
};

Result<engine::EngineOptions> engine_options(const PackageLine& line) {
  engine::EngineOptions options;
  SERIN_TRY_ASSIGN(options.device, engine::parse_device(line.device));
  options.threads = line.threads;
  options.cache = cache_directory() / "compiled";
  return options;
}

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
    std::cout << "by somebody" << covered << kAskTrust << "\n";
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

// What was attested of the package, by whom, and what of it is not believed.
Status print_attestations(const PackageLine& line, const model::Package& package) {
  SERIN_TRY_ASSIGN(const auto trust, trust_of(line));
  SERIN_TRY_ASSIGN(const auto all, model::read_attestations(package, trust ? &*trust : nullptr));
  for (const model::Testimony& one : all) {
    if (!one.attestation) {
      std::cout << "not believed: " << one.attestation.error().message << "\n";
      continue;
    }
    std::cout << "attested: " << one.attestation->profile << " " << in_a_word(*one.attestation)
              << ", signed by " << one.signer << (one.signer == "somebody" ? kAskTrust : "")
              << "\n";
  }
  return {};
}

// The upstream of a remote package, once it is up; null for any other package.
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

// Every golden request gave what it must.
Status run_golden(const PackageLine& line, const model::Package& package) {
  SERIN_TRY_ASSIGN(const auto upstream, upstream_of(line, package));
  if (package.manifest.relayed()) {
    SERIN_TRY_ASSIGN(const auto parser, engine::RequestParser::create(package));
    return worker::api::prove_upstream(package, parser, *upstream);
  }
  SERIN_TRY_ASSIGN(auto options, engine_options(line));
  if (upstream != nullptr) options.upstream = upstream->address();
  SERIN_TRY_ASSIGN(const auto given, engine::record_golden(package, options));
  for (std::size_t i = 0; i < given.size(); ++i)
    SERIN_TRY(engine::compare_golden(package, i, given[i]));
  return {};
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
  return print_attestations(line, package);
}

std::string golden_requests(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " golden request" : " golden requests");
}

// Says what was measured and writes it beside the package, signed where a key is given.
Status attest(const PackageLine& line, const model::Package& package) {
  SERIN_TRY_ASSIGN(const auto options, engine_options(line));
  std::optional<model::SigningKey> key;
  if (!line.key.empty()) {
    SERIN_TRY_ASSIGN(key, model::SigningKey::load(line.key, {}, line.certificates));
  }
  SERIN_TRY_ASSIGN(const auto report, engine::verify_reproducible(package, options));
  model::Attestation attestation;
  attestation.profile = report.profile;
  attestation.software = std::string("serin ") + kVersion;
  for (const engine::OutputReport& output : report.outputs) {
    attestation.outputs.push_back({output.output, output.bitwise, output.largest_difference});
    std::cout << output.output << ": " << in_a_word(attestation.outputs.back()) << "\n";
  }
  SERIN_TRY_ASSIGN(const auto path, model::write_attestation(package, attestation,
                                                             key ? &*key : nullptr, Clock::real()));
  std::cout << golden_requests(report.requests) << ", " << report.runs << " runs in company on "
            << report.profile << "; wrote " << path << (key ? "" : ", unsigned") << "\n";
  return {};
}

// Of those that were run without an error.
void print_golden(const std::vector<model::Golden>& golden) {
  const auto recorded = static_cast<std::size_t>(
      std::ranges::count_if(golden, [](const model::Golden& one) { return !one.expect.empty(); }));
  const std::size_t others = golden.size() - recorded;
  if (golden.empty()) std::cout << "there are no golden requests\n";
  if (recorded != 0) {
    std::cout << golden_requests(recorded) << " gave what "
              << (recorded == 1 ? "it must\n" : "they must\n");
  }
  if (others != 0)
    std::cout << golden_requests(others) << " ran; nothing is recorded to compare with\n";
}

Status verify(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto held,
                   model::fetch_package(line.package.string(), source_options(line.from)));
  SERIN_TRY_ASSIGN(const auto package, model::open_package(held.root, model::Verify::kDigests));
  std::cout << package.digest << "\n";
  SERIN_TRY_ASSIGN(const auto trust, trust_of(line));
  if (trust) {
    SERIN_TRY_ASSIGN(const auto signer, model::verify_signature(package, *trust));
    std::cout << "signed by " << signer << "\n";
  }
  if (line.run) {
    SERIN_TRY(run_golden(line, package));
    print_golden(package.manifest.golden);
  }
  if (line.reproducible) return attest(line, package);
  return print_attestations(line, package);
}

// What the first start would do: for machines that serve without a Python, and to wait for it now.
Status compile(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto package, model::open_package(line.package, model::Verify::kDigests));
  SERIN_TRY_ASSIGN(const auto options, engine_options(line));
  if (engine::needs_preparation(package.manifest))
    SERIN_TRY(model::make_python(model::Framework::kTorch));
  SERIN_TRY(engine::prepare_package(package, options));
  std::cout << package.digest << "\n";
  return {};
}

Status seal(const PackageLine& line) {
  SERIN_TRY_ASSIGN(auto package, model::seal_package(line.package));
  if (line.golden && package.manifest.relayed())
    return invalid("what another server answers is expected by hand: golden[0].expect.text");
  if (line.golden) {
    SERIN_TRY_ASSIGN(const auto upstream, upstream_of(line, package));
    SERIN_TRY_ASSIGN(auto options, engine_options(line));
    if (upstream != nullptr) options.upstream = upstream->address();
    SERIN_TRY_ASSIGN(const auto given, engine::record_golden(package, options));
    SERIN_TRY_ASSIGN(package, engine::write_golden(package, given));
  }
  std::cout << package.digest << "\n";
  return {};
}

Status sign(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto package, model::open_package(line.package, model::Verify::kDigests));
  SERIN_TRY_ASSIGN(const auto key, model::SigningKey::load(line.key, {}, line.certificates));
  SERIN_TRY(model::sign_package(package, key));
  std::cout << "wrote " << (line.package / "model.sig").string() << "\n";
  return {};
}

Status pack(const PackageLine& line) {
  fs::path archive = line.archive;
  if (archive.empty()) {
    SERIN_TRY_ASSIGN(const auto package,
                     model::open_package(line.package, model::Verify::kStructure));
    archive = package.manifest.name + ".serin";
  }
  SERIN_TRY(model::pack_package(line.package, archive));
  std::cout << archive.string() << "\n";
  return {};
}

Status unpack(const PackageLine& line) {
  const fs::path folder = line.folder.empty() ? line.archive.stem() : line.folder;
  SERIN_TRY_ASSIGN(const auto held,
                   model::fetch_package(line.archive.string(), source_options(line.from)));
  std::error_code problem;
  if (fs::exists(folder, problem))
    return fail(Code::kAlreadyExists, folder.string() + ": exists already");
  model::Partial partial(folder);
  fs::copy(held.root, partial.path(), fs::copy_options::recursive, problem);
  if (problem) return fail(Code::kUnknown, folder.string() + ": " + problem.message());
  SERIN_TRY_ASSIGN(const auto package,
                   model::open_package(partial.path(), model::Verify::kDigests));
  SERIN_TRY(partial.keep());
  std::cout << folder.string() << " " << package.digest << "\n";
  return {};
}

Status push(const PackageLine& line) {
  const auto options = source_options(line.from);
  SERIN_TRY_ASSIGN(const auto held, model::fetch_package(line.package.string(), options));
  SERIN_TRY_ASSIGN(const auto pushed,
                   model::push_package(held.root, line.destination, line.replace, options));
  std::cout << "package: " << pushed.package << "\nstored:  " << pushed.stored << "\n";
  return {};
}

// The framework's Python ran the model; Serin's engine reads the file by other code, and runs it
// too. Of an exported program, which runs once it is compiled for the machine that serves it, only
// what it declares is read.
Status prove_import(const PackageLine& line, const model::Package& package) {
  if (!engine::needs_preparation(package.manifest)) return run_golden(line, package);
  SERIN_TRY_ASSIGN(const auto backend, engine::create_backend(package.manifest.engine));
  const fs::path model = package.file(package.manifest.model);
  SERIN_TRY_ASSIGN(const auto signatures, backend->inspect(model));
  if (signatures.empty()) return invalid(model.string() + " has nothing that can be called");
  return {};
}

Status import(const PackageLine& line) {
  model::ImportOptions options;
  options.source = line.source;
  options.output = line.folder.empty() ? line.source.stem() : line.folder;
  options.class_name = line.class_name;
  for (const std::string& text : line.inputs) {
    SERIN_TRY_ASSIGN(auto shape, model::parse_input_shape(text));
    options.inputs.push_back(std::move(shape));
  }
  SERIN_TRY_ASSIGN(options.exporter, model::exporter_folder());
  const auto prove = [&line](const model::Package& package) { return prove_import(line, package); };
  SERIN_TRY_ASSIGN(const auto imported, model::import_model(options, prove));
  for (const std::string& warning : imported.warnings) std::cerr << "look at: " << warning << "\n";
  if (imported.verified >= 0) {
    std::cout << "the converted model gives what the original gives, to " << imported.verified
              << "\n";
  }
  std::cout << imported.package.root.string() << " " << imported.package.digest << "\n";
  return {};
}

Status make(const PackageLine& line) {
  fs::path folder = line.folder.lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // "mine/"
  SERIN_TRY(model::make_skeleton(folder, line.task, line.engine));
  std::cout << (folder / "model.yaml").string()
            << ": go through it from 1 on, and put the model beside it\n";
  return {};
}

template <class T>
CLI::Option* takes_named(CLI::Option* option, const std::map<std::string, T>& choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) names.push_back(name);
  return takes_words(option->transform(CLI::CheckedTransformer(choices).description("")), names);
}

void add_new(CLI::App& made, PackageLine& line) {
  using model::EngineKind;
  using model::Task;
  std::map<std::string, Task> tasks;
  for (const Task task : {Task::kTextGeneration, Task::kImageGeneration, Task::kAudioGeneration,
                          Task::kVideoGeneration, Task::kInference})
    tasks.emplace(name_of(task), task);
  std::map<std::string, EngineKind> engines;
  for (const EngineKind engine : {EngineKind::kTorch, EngineKind::kTensorflow})
    engines.emplace(name_of(engine), engine);
  takes_folder(
      made.add_option("folder", line.folder, "The package's folder; its name names the package"))
      ->required();
  takes_named(made.add_option("--task", line.task, "What the model makes"), tasks)->required();
  takes_named(made.add_option("--engine", line.engine, "What the model was saved by"), engines)
      ->required();
}

void add_import(CLI::App& made, PackageLine& line) {
  takes_path(made.add_option("source", line.source,
                             "A .pt, .pt2, .h5 or .keras file, or a SavedModel folder"))
      ->required();
  takes_folder(made.add_option("-o,--output", line.folder,
                               "The package's folder; its name names the package"));
  made.add_option("--class", line.class_name,
                  "FILE:CLASS that a pickle is an instance of, or its state");
  made.add_option("--input", line.inputs, "What the file does not say: NAME=float32[N,3,64,64]");
}

}  // namespace

void add_package(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<PackageLine>();
  CLI::App* group = app.add_subcommand("package", "Make, check, sign and move packages");
  group->require_subcommand(1);
  auto command = [&](const std::string& name, const std::string& about,
                     Status (*action)(const PackageLine&)) {
    CLI::App* made = group->add_subcommand(name, about);
    made->callback([line, action, &chosen] { chosen = [line, action] { return action(*line); }; });
    return made;
  };
  auto on_folder = [&](CLI::App* made) {
    takes_folder(made->add_option("package", line->package, "The package's folder"))->required();
    return made;
  };
  auto runs_model = [&](CLI::App* made) {
    takes_words(made->add_option("--device", line->device, "Where the model runs"), kDevices)
        ->capture_default_str();
    made->add_option("--threads", line->threads, "Threads of one operation")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    made->add_flag("--allow-command", line->upstream.allow_command,
                   "Let a remote package start its command");
    takes_file(made->add_option("--upstream-key-file", line->upstream.key_file,
                                "The key that a remote package's upstream wants"));
  };

  add_new(*command("new", "Make a package's folder with a model.yaml to fill in", make), *line);
  add_import(*command("import", "Make a package of a model as its framework saved it", import),
             *line);
  auto takes_trust = [&](CLI::App* made) {
    takes_file(made->add_option("--trust", line->trust,
                                "Public key or authorities (PEM) that must have signed"));
    return made;
  };
  auto signs = [&](CLI::App* made) {
    takes_file(made->add_option("--certificate", line->certificates,
                                "The key's certificate (PEM), then those above it"));
    return takes_file(
        made->add_option("--key", line->key, "Private key (PEM, P-256, P-384 or P-521)"));
  };
  auto takes_source = [&](CLI::App* made) {
    takes_package(made->add_option("package", line->package, kSourceHelp))->required();
    add_source_options(*made, line->from);
    return made;
  };
  takes_trust(takes_source(command("inspect", "Say what a package is", inspect)));
  CLI::App* check = takes_trust(takes_source(
      command("verify", "Check every byte against model.yaml, and print the digest", verify)));
  check->add_flag("--run", line->run, "Run the golden requests too");
  check->add_flag("--reproducible", line->reproducible,
                  "Run them alone and in company, and write an attestation, signed with --key");
  signs(check);
  runs_model(check);
  runs_model(on_folder(command(
      "compile", "Compile an exported program (.pt2) for this machine, as the first start does",
      compile)));
  CLI::App* close = on_folder(command("seal", "Write the list of files into model.yaml", seal));
  close->add_flag("--golden", line->golden, "Record what the golden requests give, first");
  runs_model(close);
  CLI::App* write =
      on_folder(command("sign", "Write an OpenSSF model-signing bundle, model.sig", sign));
  signs(write)->required();
  CLI::App* in = on_folder(
      command("pack", "Make one archive of a package, the same to the byte each time", pack));
  takes_path(in->add_option("-o,--output", line->archive, "The archive; default: NAME.serin"));
  auto moves = [&](const std::string& name, const std::string& about) {
    CLI::App* made = takes_source(command(name, about, push));
    made->add_flag("--replace", line->replace, "Write over what is there, or move the name");
    return made;
  };
  moves("push", "Store a package elsewhere as one archive, or give it a name on this machine")
      ->add_option("destination", line->destination,
                   "NAME:VERSION, s3://BUCKET/KEY, azblob://ACCOUNT/CONTAINER/KEY, "
                   "oci://HOST/REPOSITORY:TAG or file:///PATH")
      ->required();
  moves("pull", "Fetch a package and give it a name on this machine")
      ->add_option("name", line->destination, "NAME:VERSION")
      ->required()
      ->check(CLI::Validator(
          [](const std::string& text) {
            return model::parse_reference(text) ? std::string() : "must be NAME:VERSION";
          },
          ""));
  CLI::App* out = command("unpack", "Fetch or unpack an archive, and check it", unpack);
  takes_package(out->add_option("archive", line->archive, kSourceHelp))->required();
  add_source_options(*out, line->from);
  takes_folder(
      out->add_option("-o,--output", line->folder, "The folder; default: the archive's name"));
  add_registry(*group, chosen);
}

}  // namespace serin::cli
