// SPDX-License-Identifier: Apache-2.0
// The looks at a SavedModel that need no TensorFlow.
#include "backends/tensorflow/saved_model.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace serin::backends {
namespace {

const std::filesystem::path kFiles = std::filesystem::path(SERIN_TESTDATA) / "tensorflow";

TEST(SavedModels, SayTheirSignatures) {
  const auto model = read_saved_model(kFiles / "affine");
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_TRUE(model->tensorflow_version.starts_with("2."));
  const auto& signature = model->signatures.at("serving_default");
  ASSERT_TRUE(signature.inputs.contains("x"));
  EXPECT_EQ(signature.inputs.at("x").shape, (Shape{-1, 4}));
  EXPECT_TRUE(signature.inputs.at("x").rank_known);
  EXPECT_EQ(signature.outputs.at("y").shape, (Shape{-1, 3}));
  EXPECT_TRUE(model->signatures.contains("named"));
  EXPECT_TRUE(check_graph(*model).has_value());
}

TEST(SavedModels, MayUseTheirSaverOnlyWhereNobodyCallsIt) {
  auto model = *read_saved_model(kFiles / "affine");
  const bool has_saver =
      std::any_of(model.functions.begin(), model.functions.end(), [](const auto& function) {
        return std::any_of(function.second.begin(), function.second.end(),
                           [](const auto& node) { return node.op == "RestoreV2"; });
      });
  EXPECT_TRUE(has_saver);
  EXPECT_EQ(check_graph(*read_saved_model(kFiles / "restores")).error().code,
            Code::kPermissionDenied);
}

GraphNode node(std::string name, std::string op, std::vector<std::string> inputs = {},
               std::vector<std::string> functions = {}) {
  GraphNode made;
  made.name = std::move(name);
  made.op = std::move(op);
  made.inputs = std::move(inputs);
  made.functions = std::move(functions);
  return made;
}

TEST(CheckGraph, FollowsInputsFunctionsAndInitialisers) {
  SavedModel model;
  model.signatures["f"].outputs["y"].name = "out:0";
  model.nodes = {node("out", "Identity", {"call"}), node("call", "PartitionedCall", {}, {"g"}),
                 node("restore", "RestoreV2")};
  model.functions["g"] = {node("h", "If", {}, {"h"})};
  model.functions["h"] = {node("a", "AddV2")};
  EXPECT_TRUE(check_graph(model).has_value());
  model.functions["h"].push_back(node("r", "RestoreV2"));
  EXPECT_EQ(check_graph(model).error().code, Code::kPermissionDenied);
  model.functions["h"].pop_back();
  model.initialisers = {"restore"};
  EXPECT_NE(check_graph(model).error().message.find("RestoreV2"), std::string::npos);
  model.initialisers.clear();
  model.functions["unused"] = {node("w", "WriteFile")};
  EXPECT_EQ(check_graph(model).error().message,
            "the model uses WriteFile (w in unused); operations on files, the network or Python "
            "are not run");
}

TEST(CheckGraph, SurvivesFunctionsThatCallThemselves) {
  SavedModel model;
  model.signatures["f"].outputs["y"].name = "out:0";
  model.nodes = {node("out", "g", {"out"})};
  model.functions["g"] = {node("again", "g", {}, {"g"})};
  EXPECT_TRUE(check_graph(model).has_value());
}

TEST(AllowedTensorflowOperations, AreArithmetic) {
  for (const char* op : {"AddV2", "Conv2D", "MatMul", "StatefulPartitionedCall", "ReadVariableOp",
                         "VarHandleOp", "While", "TensorListReserve", "LookupTableFindV2"}) {
    EXPECT_TRUE(is_allowed_tensorflow_operation(op)) << op;
  }
  for (const char* op : {"ReadFile",
                         "WriteFile",
                         "MatchingFiles",
                         "PyFunc",
                         "EagerPyFunc",
                         "PrintV2",
                         "RpcCall",
                         "RecordInput",
                         "TFRecordDataset",
                         "InitializeTableFromTextFileV2",
                         "SaveV2",
                         "RestoreV2",
                         "MergeV2Checkpoints",
                         "DecodeProtoV2",
                         "LoadAndRemapMatrix",
                         "Skipgram",
                         "_Send",
                         "CollectiveReduceV2",
                         "WriteSummary",
                         "XlaCallModule",
                         "Abort"}) {
    EXPECT_FALSE(is_allowed_tensorflow_operation(op)) << op;
  }
}

TEST(SavedModels, ThatAreBrokenSaySo) {
  EXPECT_EQ(read_saved_model(kFiles / "cut").error().code, Code::kInvalidArgument);
  EXPECT_FALSE(parse_saved_model("").has_value());
  EXPECT_FALSE(parse_saved_model("\x10\x05").has_value());  // meta_graphs as a number
  EXPECT_FALSE(parse_saved_model("\xff\xff\xff").has_value());
  EXPECT_NE(read_saved_model(kFiles / "nothing").error().message.find("serin package import"),
            std::string::npos);
  const auto folder = TemporaryDirectory::create();
  EXPECT_NE(read_saved_model(folder->path()).error().message.find("holds no saved_model.pb"),
            std::string::npos);
  ASSERT_TRUE(write_file(folder->path() / "saved_model.cpb", "").has_value());
  EXPECT_NE(read_saved_model(folder->path()).error().message.find("saved_model.cpb"),
            std::string::npos);
}

}  // namespace
}  // namespace serin::backends
