// SPDX-License-Identifier: Apache-2.0
// YAML as a small tree of values that each know where they stood, so that an error can name line
// and column.
//
// A restriction of YAML 1.2: one document, string keys without duplicates, no tags but the core
// schema's, no merge keys. Aliases are copied, and every copy counts against `nodes`: no file can
// grow in memory beyond that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin {

struct YamlLimits {
  std::size_t bytes = std::size_t{4} << 20;
  std::size_t depth = 64;
  std::size_t nodes = 200'000;
};

struct YamlMark {
  int line = 1;  // both count from 1
  int column = 1;
};

struct YamlNode {
  enum class Kind : std::uint8_t { kScalar, kSequence, kMap };

  // The key's own mark is kept for errors about the key ("unknown field").
  struct Entry;

  Kind kind = Kind::kScalar;
  bool quoted = false;  // a scalar in quotes or a block, or tagged !!str: always a string
  YamlMark mark;
  std::string scalar;
  std::vector<YamlNode> items;
  std::vector<Entry> entries;  // in the order of the file

  // Null when this is no map or has no such key.
  const YamlNode* find(std::string_view key) const;
  // ~, null or nothing at all.
  bool is_null() const;
  // The scalar by the core schema (null, bool, integer, float, string), sequences and maps as they
  // are. kInvalidArgument with the place for .inf, .nan and integers beyond 64 bits.
  Result<json::value> to_json() const;
};

struct YamlNode::Entry {
  std::string key;
  YamlMark mark;
  YamlNode value;
};

std::string to_string(const YamlMark& mark);  // "3:14"

// An empty document is a null scalar. kInvalidArgument: "line:column: what".
Result<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits = {});

// The other way round: in blocks, members in their order, as Kubernetes' tools print it, with a
// newline at the end. Readers of YAML 1.1 and of 1.2 take it for the same: "on" and "1e3" stand in
// quotes.
std::string write_yaml(const json::value& value);

}  // namespace serin
