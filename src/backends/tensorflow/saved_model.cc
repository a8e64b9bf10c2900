// SPDX-License-Identifier: Apache-2.0
#include "backends/tensorflow/saved_model.h"

#include <algorithm>
#include <stdexcept>

#include "backends/call_check.h"
#include "base/files.h"
#include "base/protozero.h"

namespace serin::backends {
namespace {

using protozero::pbf_reader;

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 31;  // protobuf's own limit

Shape shape_of(pbf_reader reader, bool& rank_known) {
  Shape shape;
  rank_known = true;
  while (reader.next()) {
    if (reader.tag() == 2) {  // dim
      pbf_reader dimension = reader.get_message();
      std::int64_t size = 0;
      while (dimension.next()) {
        if (dimension.tag() == 1)
          size = dimension.get_int64();
        else
          dimension.skip();
      }
      shape.push_back(size < 0 ? -1 : size);
    } else if (reader.tag() == 3) {  // unknown_rank
      rank_known = !reader.get_bool();
    } else {
      reader.skip();
    }
  }
  return shape;
}

TensorInfo tensor_info_of(pbf_reader reader) {
  TensorInfo info;
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        info.name = reader.get_string();
        break;
      case 2:
        info.type = reader.get_enum();
        break;
      case 3:
        info.shape = shape_of(reader.get_message(), info.rank_known);
        break;
      default:
        reader.skip();
    }
  }
  return info;
}

// One entry of map<string, Value>: key 1, value 2.
template <class Read>
void read_entry(pbf_reader reader, const Read& read) {
  std::string key;
  pbf_reader value;
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        key = reader.get_string();
        break;
      case 2:
        value = reader.get_message();
        break;
      default:
        reader.skip();
    }
  }
  read(std::move(key), value);
}

SignatureDef signature_of(pbf_reader reader) {
  SignatureDef signature;
  while (reader.next()) {
    if (reader.tag() != 1 && reader.tag() != 2) {
      reader.skip();
      continue;
    }
    auto& side = reader.tag() == 1 ? signature.inputs : signature.outputs;
    read_entry(reader.get_message(), [&](std::string key, pbf_reader value) {
      side[std::move(key)] = tensor_info_of(value);
    });
  }
  return signature;
}

std::string function_named_by(pbf_reader reader) {
  std::string name;
  while (reader.next()) {
    if (reader.tag() == 1)
      name = reader.get_string();
    else
      reader.skip();
  }
  return name;
}

// Scalars may be NaN on purpose (a mask, a missing value); a whole tensor of weights is not.
bool constant_holds_nan(pbf_reader reader) {
  int type = 0;
  std::string_view content;
  while (reader.next()) {
    if (reader.tag() == 1) {
      type = reader.get_enum();
    } else if (reader.tag() == 4) {  // tensor_content
      const protozero::data_view view = reader.get_view();
      content = {view.data(), view.size()};
    } else {
      reader.skip();
    }
  }
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(content.data()),
                                         content.size());
  constexpr int kFloat = 1, kDouble = 2, kBFloat16 = 14, kHalf = 19;
  switch (type) {
    case kFloat:
      return bytes.size() > 4 && holds_nan(DType::kFloat32, bytes);
    case kDouble:
      return bytes.size() > 8 && holds_nan(DType::kFloat64, bytes);
    case kBFloat16:
      return bytes.size() > 2 && holds_nan(DType::kBFloat16, bytes);
    case kHalf:
      return bytes.size() > 2 && holds_nan(DType::kFloat16, bytes);
    default:
      return false;
  }
}

void read_attribute(pbf_reader reader, const std::string& name, GraphNode& node) {
  while (reader.next()) {
    switch (reader.tag()) {
      case 1: {  // list
        pbf_reader list = reader.get_message();
        while (list.next()) {
          if (list.tag() == 9)
            node.functions.push_back(function_named_by(list.get_message()));
          else
            list.skip();
        }
        break;
      }
      case 6: {  // type
        const int type = reader.get_enum();
        if (name == "dtype") node.type = type;
        break;
      }
      case 8:
        node.nan = constant_holds_nan(reader.get_message());
        break;
      case 10:
        node.functions.push_back(function_named_by(reader.get_message()));
        break;
      default:
        reader.skip();
    }
  }
}

// "^name", "name:1" and, inside functions, "name:output:0" all mean a node.
std::string node_named_by(std::string input) {
  if (input.starts_with('^')) input.erase(0, 1);
  return input.substr(0, input.find(':'));
}

GraphNode node_of(pbf_reader reader) {
  GraphNode node;
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        node.name = reader.get_string();
        break;
      case 2:
        node.op = reader.get_string();
        break;
      case 3:
        node.inputs.push_back(node_named_by(reader.get_string()));
        break;
      case 5:
        read_entry(reader.get_message(), [&node](const std::string& key, pbf_reader value) {
          read_attribute(value, key, node);
        });
        break;
      default:
        reader.skip();
    }
  }
  return node;
}

void read_function(pbf_reader reader, SavedModel& model) {
  std::string name;
  std::vector<GraphNode> nodes;
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        name = function_named_by(reader.get_message());
        break;  // OpDef: its name is field 1 too
      case 3:
        nodes.push_back(node_of(reader.get_message()));
        break;
      default:
        reader.skip();
    }
  }
  auto& held = model.functions[name];
  held.insert(held.end(), std::make_move_iterator(nodes.begin()),
              std::make_move_iterator(nodes.end()));
}

void read_graph(pbf_reader reader, SavedModel& model) {
  while (reader.next()) {
    if (reader.tag() == 1) {
      model.nodes.push_back(node_of(reader.get_message()));
    } else if (reader.tag() == 2) {
      pbf_reader library = reader.get_message();
      while (library.next()) {
        if (library.tag() == 1)
          read_function(library.get_message(), model);
        else
          library.skip();
      }
    } else {
      reader.skip();
    }
  }
}

// Graphs of TensorFlow 1 name what is to be run on loading in a collection.
void read_collection(const std::string& key, pbf_reader reader, SavedModel& model) {
  if (key != "saved_model_main_op" && key != "legacy_init_op") return;
  while (reader.next()) {
    if (reader.tag() != 1) {  // node_list
      reader.skip();
      continue;
    }
    pbf_reader list = reader.get_message();
    while (list.next(1)) model.initialisers.push_back(node_named_by(list.get_string()));
  }
}

std::vector<std::string> tags_of(pbf_reader meta_graph, std::string& version) {
  std::vector<std::string> tags;
  while (meta_graph.next(1)) {  // meta_info_def
    pbf_reader info = meta_graph.get_message();
    while (info.next()) {
      if (info.tag() == 4)
        tags.push_back(info.get_string());
      else if (info.tag() == 5)
        version = info.get_string();
      else
        info.skip();
    }
  }
  return tags;
}

SavedModel meta_graph_of(pbf_reader reader) {
  SavedModel model;
  while (reader.next()) {
    switch (reader.tag()) {
      case 2:
        read_graph(reader.get_message(), model);
        break;
      case 4:
        read_entry(reader.get_message(), [&model](const std::string& key, pbf_reader value) {
          read_collection(key, value, model);
        });
        break;
      case 5:
        read_entry(reader.get_message(), [&model](std::string key, pbf_reader value) {
          model.signatures[std::move(key)] = signature_of(value);
        });
        break;
      default:
        reader.skip();
    }
  }
  return model;
}

}  // namespace

Result<SavedModel> parse_saved_model(std::string_view bytes) {
  try {
    pbf_reader reader(bytes.data(), bytes.size());
    std::string seen;
    while (reader.next()) {
      if (reader.tag() != 2) {
        reader.skip();
        continue;
      }
      const pbf_reader meta_graph = reader.get_message();
      std::string version;
      const std::vector<std::string> tags = tags_of(meta_graph, version);
      if (tags == std::vector<std::string>{"serve"}) {
        SavedModel model = meta_graph_of(meta_graph);
        model.tensorflow_version = version;
        return model;
      }
      for (const std::string& tag : tags) seen += " " + tag;
    }
    return invalid("a SavedModel without a graph tagged \"serve\"" +
                   (seen.empty() ? "" : "; its tags are" + seen));
  } catch (const std::exception&) {
    return invalid("saved_model.pb is broken: it is not the protobuf message SavedModel");
  }
}

Result<SavedModel> read_saved_model(const std::filesystem::path& folder) {
  std::error_code problem;
  if (!std::filesystem::is_directory(folder, problem)) {
    return fail(Error{Code::kInvalidArgument,
                      folder.filename().string() +
                          " is not a SavedModel folder; a Keras file (.h5, "
                          ".keras) is converted by `serin package import`",
                      "needs_import", "model"});
  }
  for (const char* other : {"saved_model.cpb", "saved_model.pbtxt"}) {
    if (std::filesystem::exists(folder / other, problem)) {
      return invalid(folder.filename().string() + " holds " + other +
                     "; only saved_model.pb is read");
    }
  }
  auto bytes = read_file(folder / "saved_model.pb", kMostBytes);
  if (!bytes && bytes.error().code == Code::kNotFound) {
    return invalid(folder.filename().string() + " is not a SavedModel: it holds no saved_model.pb",
                   "model");
  }
  if (!bytes) return fail(std::move(bytes.error()));
  return parse_saved_model(*bytes);
}

}  // namespace serin::backends
