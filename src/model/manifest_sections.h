// SPDX-License-Identifier: Apache-2.0
// The sections of model.yaml, each read from its place in the document. What is wrong goes to the
// value's Problems; how the sections fit together is manifest_check.h's.
#pragma once

#include "model/manifest.h"
#include "model/manifest_reader.h"

namespace serin::model {

std::vector<FileEntry> read_files(const Value& value);
// `relayed`: text goes on as it is, and nothing becomes a tensor.
std::vector<Input> read_inputs(const Value& value, bool relayed);
Call read_call(const Value& value, EngineKind engine);
Loop read_loop(const Value& value);
std::vector<Output> read_outputs(const Value& value);
Batching read_batching(const Value& value);
std::vector<Golden> read_golden(const Value& value);
Remote read_remote(const Value& value);

// "2ms", "1.5s": a number and one of us, ms, s. Nothing for anything else.
std::optional<std::chrono::microseconds> parse_wait(std::string_view text);

// What is wrong with a path inside a package ("must not climb: …"); empty when nothing is.
std::string wrong_with_package_path(std::string_view path);

}  // namespace serin::model
