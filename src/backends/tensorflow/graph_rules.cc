// SPDX-License-Identifier: Apache-2.0
// TensorFlow 2.21 registers 1,908 operations. Those that reach beyond arithmetic come in families
// with telling names; the list was made by looking for arguments that are files, addresses, hosts
// or descriptors.
#include <algorithm>
#include <set>

#include "backends/tensorflow/saved_model.h"

namespace serin::backends {
namespace {

constexpr std::string_view kFamilies[] = {
    "Abort",  "Checkpoint",  "Collective", "Dataset", "Debug",   "Dump",  "File",   "Host",
    "Infeed", "Iterator",    "Load",       "Nccl",    "Outfeed", "Print", "Proto",  "PyFunc",
    "Reader", "RecordInput", "Recv",       "Remote",  "Restore", "Rpc",   "Save",   "Send",
    "Server", "Sleep",       "Snapshot",   "Stub",    "Summary", "TPU",   "Worker", "Xla",
};
// Single ones that read a file named by an attribute.
constexpr std::string_view kFileOperations[] = {
    "FixedUnigramCandidateSampler", "GenerateVocabRemapping", "ImportEvent", "Skipgram"};
constexpr std::string_view kSaverOperations[] = {"MergeV2Checkpoints", "RestoreV2", "SaveV2",
                                                 "ShardedFilename"};

bool is_any(std::string_view name, const auto& list) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

using Nodes = std::vector<GraphNode>;

// What the signatures and the initialiser can reach: node names of the graph, and functions.
class Reach {
 public:
  explicit Reach(const SavedModel& model) : model_(model) {
    for (const GraphNode& node : model.nodes) by_name_[node.name] = &node;
    for (const auto& [name, signature] : model.signatures) {
      for (const auto& [key, info] : signature.outputs)
        reach_node(info.name.substr(0, info.name.find(':')));
    }
    for (const std::string& name : model.initialisers) reach_node(name);
    while (!waiting_.empty()) {
      const GraphNode* node = waiting_.back();
      waiting_.pop_back();
      for (const std::string& input : node->inputs) reach_node(input);
      reach_functions_of(*node);
    }
  }
  bool node(const std::string& name) const { return nodes_.contains(name); }
  bool function(const std::string& name) const { return functions_.contains(name); }

 private:
  void reach_node(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found != by_name_.end() && nodes_.insert(name).second) waiting_.push_back(found->second);
  }
  void reach_functions_of(const GraphNode& node) {
    std::vector<std::string> names = node.functions;
    names.push_back(node.op);  // old graphs call a function by its name as operation
    while (!names.empty()) {
      const std::string name = std::move(names.back());
      names.pop_back();
      const auto found = model_.functions.find(name);
      if (found == model_.functions.end() || !functions_.insert(name).second) continue;
      for (const GraphNode& inner : found->second) {
        names.insert(names.end(), inner.functions.begin(), inner.functions.end());
        names.push_back(inner.op);
      }
    }
  }

  const SavedModel& model_;
  std::map<std::string, const GraphNode*> by_name_;
  std::set<std::string> nodes_, functions_;
  std::vector<const GraphNode*> waiting_;
};

Status check_node(const SavedModel& model, const GraphNode& node, bool reachable,
                  const std::string& where) {
  if (model.functions.contains(node.op)) return {};  // a call, not an operation
  if (!reachable && is_any(node.op, kSaverOperations)) return {};
  if (node.op == "Const" && node.nan)
    return fail(Code::kDataLoss, "the constant " + node.name + " holds a NaN");
  if (is_allowed_tensorflow_operation(node.op)) return {};
  return fail(Code::kPermissionDenied,
              "the model uses " + node.op + " (" + node.name + where +
                  "); operations on files, the network or Python are not run");
}

}  // namespace

bool is_allowed_tensorflow_operation(std::string_view op) {
  // TensorFlow does not let a graph's file name its own internal operations, but for these two of
  // functions.
  if (op == "_Arg" || op == "_Retval") return true;
  if (op.starts_with('_') || is_any(op, kFileOperations)) return false;
  return std::none_of(std::begin(kFamilies), std::end(kFamilies), [op](std::string_view family) {
    return op.find(family) != std::string_view::npos;
  });
}

Status check_graph(const SavedModel& model) {
  const Reach reach(model);
  for (const GraphNode& node : model.nodes)
    SERIN_TRY(check_node(model, node, reach.node(node.name), ""));
  for (const auto& [name, nodes] : model.functions) {
    for (const GraphNode& node : nodes)
      SERIN_TRY(check_node(model, node, reach.function(name), " in " + name));
  }
  return {};
}

}  // namespace serin::backends
