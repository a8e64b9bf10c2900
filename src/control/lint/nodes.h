// SPDX-License-Identifier: Apache-2.0
// Ways through a document, for rules.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/yaml.h"

namespace serin::control {

// The node at a path of keys; null where there is none.
inline const YamlNode* node_at(const YamlNode& document,
                               std::initializer_list<std::string_view> keys) {
  const YamlNode* node = &document;
  for (const std::string_view key : keys) {
    if (node != nullptr) node = node->find(key);
  }
  return node;
}

// Calls `visit(key, entry value, mark of the key, path)` for every entry of every map in `node`.
template <class Visit>
void for_each_entry(const YamlNode& node, const std::string& path, const Visit& visit) {
  for (const YamlNode::Entry& entry : node.entries) {
    const std::string below = path.empty() ? entry.key : path + "." + entry.key;
    visit(entry, below);
    for_each_entry(entry.value, below, visit);
  }
  for (std::size_t i = 0; i < node.items.size(); ++i)
    for_each_entry(node.items[i], path + "[" + std::to_string(i) + "]", visit);
}

}  // namespace serin::control
