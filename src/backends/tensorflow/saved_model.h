// SPDX-License-Identifier: Apache-2.0
// What a SavedModel says of itself, read from saved_model.pb without TensorFlow: signatures, graph,
// functions. Field numbers are those of tensorflow/core/protobuf/{saved_model,meta_graph}.proto and
// tensorflow/core/framework/*.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"

namespace serin::backends {

struct TensorInfo {
  std::string name;  // "serving_default_x:0"
  int type = 0;      // TensorFlow's DataType
  bool rank_known = false;
  Shape shape;  // -1 where it varies
};

struct SignatureDef {
  std::map<std::string, TensorInfo> inputs, outputs;
};

struct GraphNode {
  std::string name;
  std::string op;
  std::vector<std::string> inputs;     // node names, without ^ and :n
  std::vector<std::string> functions;  // that its attributes name
  int type = 0;                        // its dtype attribute, where it has one
  bool nan = false;                    // a constant that holds one
};

struct SavedModel {
  std::string tensorflow_version;
  std::map<std::string, SignatureDef> signatures;
  std::vector<std::string> initialisers;  // nodes that loading runs
  std::vector<GraphNode> nodes;
  std::map<std::string, std::vector<GraphNode>> functions;
};

// The graph tagged "serve" and nothing else, which is what is loaded. kInvalidArgument for what is
// no SavedModel.
Result<SavedModel> parse_saved_model(std::string_view bytes);
// The folder's saved_model.pb; forms that TensorFlow would prefer to it or take in its place are
// refused.
Result<SavedModel> read_saved_model(const std::filesystem::path& folder);

// kPermissionDenied naming the first operation on files, the network, Python or devices of others.
// What SavedModel itself uses to restore its variables is allowed where no signature and no
// initialiser can reach it.
Status check_graph(const SavedModel& model);
// False for those operations and for the ones that SavedModel itself uses; pure.
bool is_allowed_tensorflow_operation(std::string_view op);

}  // namespace serin::backends
