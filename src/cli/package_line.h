// SPDX-License-Identifier: Apache-2.0
// What `serin package …` was asked on its command line, and what several of its commands do. One
// thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/source.h"
#include "engine/engine.h"
#include "model/manifest.h"
#include "model/package.h"
#include "worker/upstream/upstream.h"

namespace serin::cli {

struct PackageLine {
  std::filesystem::path package, archive, folder, source, key, trust;
  std::string class_name;
  model::Task task = model::Task::kInference;
  model::EngineKind engine = model::EngineKind::kTorch;
  std::vector<std::string> inputs;
  std::vector<std::filesystem::path> certificates;
  std::string device = "cpu";
  int threads = 1;
  bool run = false, reproducible = false, golden = false;
  std::string destination;
  bool replace = false;
  SourceLine from;
  worker::UpstreamOptions upstream;
};

// Where a model runs that the command itself runs.
Result<engine::EngineOptions> engine_options(const PackageLine& line);

// The upstream of a remote package, once it is up; null for any other package.
Result<std::unique_ptr<worker::Upstream>> upstream_of(const PackageLine& line,
                                                      const model::Package& package);

// Every golden request gave what it must, and the model knows every label. kFailedPrecondition
// where not.
Status run_golden(const PackageLine& line, const model::Package& package);

// The commands in package_check.cc. Each writes to standard output, verify() only once all that it
// was asked has held: the digest first.
Status inspect(const PackageLine& line);
Status verify(const PackageLine& line);

}  // namespace serin::cli
