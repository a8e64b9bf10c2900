// SPDX-License-Identifier: Apache-2.0
// `serin package …`: everything one does to a package on disk.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>

#include "base/files.h"
#include "cli/command.h"
#include "cli/package_line.h"
#include "cli/signing.h"
#include "cli/source.h"
#include "cli/takes.h"
#include "engine/golden.h"
#include "engine/loaded_package.h"
#include "model/archive.h"
#include "model/exporter.h"
#include "model/folder.h"
#include "model/import.h"
#include "model/package.h"
#include "model/registry.h"
#include "model/sign.h"
#include "model/skeleton.h"
#include "model/source.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;

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

// What the golden requests give, into model.yaml and files of the package.
Result<model::Package> seal_golden(const PackageLine& line, const model::Package& package) {
  if (package.manifest.relayed())
    return invalid("what another server answers is expected by hand: golden[0].expect.text");
  if (package.manifest.golden.empty()) {
    return invalid((package.root / "model.yaml").string() +
                   ": has no golden request to record; add `golden:` and below it `- request: "
                   "{seed: 7}`");
  }
  SERIN_TRY_ASSIGN(const auto upstream, upstream_of(line, package));
  SERIN_TRY_ASSIGN(auto options, engine_options(line));
  if (upstream != nullptr) options.upstream = upstream->address();
  SERIN_TRY_ASSIGN(const auto given, engine::record_golden(package, options));
  return engine::write_golden(package, given);
}

// Nothing is written before all of it is known to be right.
Status seal(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto sealing, model::prepare_seal(line.package));
  SERIN_TRY(engine::RequestParser::create(sealing.package));
  SERIN_TRY_ASSIGN(const auto package,
                   line.golden ? seal_golden(line, sealing.package) : model::finish_seal(sealing));
  std::cout << package.digest << "\n";
  return {};
}

Status sign(const PackageLine& line) {
  SERIN_TRY_ASSIGN(const auto package, model::open_package(line.package, model::Verify::kDigests));
  SERIN_TRY_ASSIGN(const auto key, signing_key(line.key, line.certificates));
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

// The source's name, as a package may have it.
fs::path folder_after(const fs::path& source) {
  const fs::path whole = source.lexically_normal();
  return model::package_name((whole.has_filename() ? whole : whole.parent_path()).stem().string());
}

Status import(const PackageLine& line) {
  model::ImportOptions options;
  options.source = line.source;
  options.output = line.folder.empty() ? folder_after(line.source) : line.folder;
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

// The value that a word names.
template <class T>
CLI::Option* add_named(CLI::App& made, const std::string& option, T& value,
                       const std::string& about, const std::map<std::string, T>& choices) {
  std::vector<std::string> names;
  names.reserve(choices.size());
  for (const auto& [name, choice] : choices) names.push_back(name);
  const auto take = [&value, choices](const std::string& word) { value = choices.at(word); };
  return takes_one_of(made.add_option_function<std::string>(option, take, about), names);
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
  takes_folder(made.add_option("folder", line.folder,
                               "The package's folder, made with those above it; its "
                               "name names the package"))
      ->required();
  add_named(made, "--task", line.task, "What the model makes", tasks)->required();
  add_named(made, "--engine", line.engine, "What the model was saved by", engines)->required();
}

void add_import(CLI::App& made, PackageLine& line) {
  takes_path(made.add_option("source", line.source,
                             "A .pt, .pt2, .h5 or .keras file, or a SavedModel folder"))
      ->required();
  takes_folder(made.add_option("-o,--output", line.folder,
                               "The package's folder, which names the package; default: the "
                               "source's name"));
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
    takes_between(made->add_option("--threads", line->threads, "Threads of one operation"), 1, 256)
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
  moves("push", "Store a package elsewhere, or give it a name on this machine")
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
