// SPDX-License-Identifier: Apache-2.0
#include "model/manifest_writer.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "base/yaml.h"

namespace serin::model {
namespace {

std::string written(double number) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), number).ptr;
  return {std::begin(text), end};
}

std::string written(const Range& range) {
  return "[" + written(range.low) + ", " + written(range.high) + "]";
}

// One mapping in braces.
class Flow {
 public:
  Flow& add(std::string_view key, std::string_view value) {
    if (text_.size() > 1) text_ += ", ";
    text_.append(key).append(": ").append(value);
    return *this;
  }
  Flow& add_text(std::string_view key, std::string_view value) {
    return value.empty() ? *this : add(key, yaml_scalar(value));
  }
  std::string done() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

struct WriteInput {
  Flow& flow;

  void operator()(const NoiseInput& input) const {
    flow.add("kind", "noise");
    flow.add("distribution",
             input.distribution == NoiseInput::Distribution::kNormal ? "normal" : "uniform");
    flow.add("shape", declared_shape(input.shape));
  }
  void operator()(const LabelInput& input) const {
    std::string labels = "[";
    for (const std::string& label : input.labels)
      labels += (labels.size() > 1 ? ", " : "") + yaml_scalar(label);
    flow.add("kind", "label").add("labels", labels + "]");
    if (input.default_label) flow.add("default", yaml_scalar(*input.default_label));
    if (input.one_hot) flow.add("encoding", "oneHot");
  }
  void operator()(const NumberInput& input) const {
    flow.add("kind", "number").add("default", written(input.default_value));
    if (input.min) flow.add("min", written(*input.min));
    if (input.max) flow.add("max", written(*input.max));
    if (input.integer) flow.add("integer", "true");
  }
  void operator()(const TextInput& input) const {
    flow.add("kind", "text").add_text("tokenizer", input.tokenizer);
    if (input.max_tokens > 0) flow.add("maxTokens", std::to_string(input.max_tokens));
    flow.add_text("default", input.default_text).add_text("chatTemplate", input.chat_template);
    if (input.pad_token > 0) flow.add("padToken", std::to_string(input.pad_token));
  }
  void operator()(const ImageInput& input) const {
    flow.add("kind", "image")
        .add("width", std::to_string(input.width))
        .add("height", std::to_string(input.height));
    flow.add("channels", std::to_string(input.channels)).add("layout", name_of(input.layout));
    flow.add("range", written(input.range)).add_text("default", input.default_file);
  }
  void operator()(const AudioInput& input) const {
    flow.add("kind", "audio").add("sampleRate", std::to_string(input.sample_rate));
    flow.add("channels", std::to_string(input.channels))
        .add("maxSeconds", written(input.max_seconds));
    flow.add_text("default", input.default_file);
  }
  void operator()(const TensorInput& input) const {
    flow.add("kind", "tensor")
        .add("dtype", name_of(input.dtype))
        .add("shape", declared_shape(input.shape));
    if (input.fill) flow.add("default", written(*input.fill));
  }
};

struct WriteOutput {
  Flow& flow;
  const std::string& result;

  void operator()(const ImageOutput& output) const {
    flow.add("kind", "image")
        .add("result", yaml_scalar(result))
        .add("layout", name_of(output.layout));
    flow.add("range", written(output.range));
  }
  void operator()(const AudioOutput& output) const {
    flow.add("kind", "audio")
        .add("result", yaml_scalar(result))
        .add("layout", name_of(output.layout));
    flow.add("sampleRate", std::to_string(output.sample_rate));
  }
  void operator()(const VideoOutput& output) const {
    flow.add("kind", "video")
        .add("result", yaml_scalar(result))
        .add("layout", name_of(output.layout));
    flow.add("range", written(output.range)).add("frameRate", written(output.frame_rate));
  }
  void operator()(const TextOutput&) const { flow.add("kind", "text"); }
  void operator()(const TensorOutput&) const {
    flow.add("kind", "tensor").add("result", yaml_scalar(result));
  }
};

std::string golden_lines(const std::vector<Golden>& all, std::string_view indent) {
  std::string text;
  for (const Golden& golden : all) {
    Flow expect;
    for (const auto& [output, expected] : golden.expect)
      expect.add(yaml_scalar(output), yaml_scalar(expected));
    text.append(indent).append("- request: ").append(json::serialize(golden.request)).append("\n");
    if (!golden.expect.empty())
      text.append(indent).append("  expect: ").append(expect.done()).append("\n");
    text.append(indent).append("  tolerance: ").append(written(golden.tolerance)).append("\n");
  }
  return text;
}

class Writer {
 public:
  Writer(const Manifest& manifest, const Remarks& remarks) : m_(manifest), remarks_(remarks) {}

  std::string write() {
    line("format: serin.dev/package/v1");
    field("name", yaml_scalar(m_.name));
    field("task", name_of(m_.task));
    if (!m_.description.empty()) field("description", yaml_scalar(m_.description));
    if (!m_.license.empty()) field("license", yaml_scalar(m_.license));
    field("engine", name_of(m_.engine));
    if (m_.remote) write_remote(*m_.remote);
    if (!m_.model.empty()) field("model", yaml_scalar(m_.model));
    if (!m_.files.empty()) text_ += "files:\n" + write_files(m_.files);
    write_tensors();
    write_loop();
    write_outputs();
    if (!std::holds_alternative<AutoregressiveLoop>(m_.loop) && !m_.outputs.empty())
      write_batching();
    write_golden();
    return std::move(text_);
  }

 private:
  void line(std::string_view text) { text_.append(text).append("\n"); }

  void remark(std::string_view place, std::string_view indent = "") {
    const auto found = remarks_.find(place);
    if (found == remarks_.end()) return;
    std::string_view rest = found->second;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      text_.append(indent).append("# ").append(rest.substr(0, end)).append("\n");
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  void field(std::string_view name, std::string_view value) {
    remark(name);
    text_.append(name).append(": ").append(value).append("\n");
  }

  void item(const std::string& place, std::string_view indent, const Flow& flow) {
    remark(place, indent);
    text_.append(indent).append("- ").append(flow.done()).append("\n");
  }

  void write_remote(const Remote& remote) {
    using Protocol = Remote::Protocol;
    const auto words = [this](std::string_view name, const auto& values) {
      std::string list;
      for (const auto& value : values)
        list += (list.empty() ? "" : ", ") + yaml_scalar(std::string(value));
      if (!list.empty()) line("  " + std::string(name) + ": [" + list + "]");
    };
    const auto word = [this](std::string_view name, const std::string& value) {
      if (!value.empty()) line("  " + std::string(name) + ": " + yaml_scalar(value));
    };
    line("remote:");
    word("protocol", remote.protocol == Protocol::kOpenAi          ? "openai"
                     : remote.protocol == Protocol::kOpenInference ? "openInference"
                                                                   : "http");
    word("url", remote.url);
    word("model", remote.model);
    word("path", remote.path);
    word("keyVariable", remote.key_variable);
    word("healthPath", remote.health_path);
    line("  timeout: " + std::to_string(remote.timeout.count()) + "ms");
    if (remote.protocol == Protocol::kOpenInference)
      line("  concurrency: " + std::to_string(remote.concurrency));
    words("command", remote.command);
    word("directory", remote.directory);
    words("environment", remote.environment);
    words("read", remote.read);
    words("write", remote.write);
    std::string ports;
    for (const std::uint16_t port : remote.connect)
      ports += (ports.empty() ? "" : ", ") + std::to_string(port);
    if (!ports.empty()) line("  connect: [" + ports + "]");
  }

  void write_tensors() {
    if (!m_.inputs.empty()) {
      remark("inputs");
      line("inputs:");
    }
    for (std::size_t i = 0; i < m_.inputs.size(); ++i) {
      Flow flow;
      flow.add("name", yaml_scalar(m_.inputs[i].name));
      std::visit(WriteInput{flow}, m_.inputs[i].kind);
      flow.add_text("doc", m_.inputs[i].doc);
      item("inputs[" + std::to_string(i) + "]", "", flow);
    }
    if (m_.call.arguments.empty()) return;
    remark("call");
    line("call:");
    line("  method: " + yaml_scalar(m_.call.method));
    line("  arguments:");
    for (std::size_t i = 0; i < m_.call.arguments.size(); ++i) {
      const Argument& argument = m_.call.arguments[i];
      Flow flow;
      flow.add("name", yaml_scalar(argument.name)).add_text("input", argument.input);
      flow.add("dtype", name_of(argument.dtype)).add("shape", declared_shape(argument.shape));
      item("call.arguments[" + std::to_string(i) + "]", "  ", flow);
    }
    line("  results:");
    for (std::size_t i = 0; i < m_.call.results.size(); ++i) {
      const ResultSpec& result = m_.call.results[i];
      Flow flow;
      flow.add("name", yaml_scalar(result.name))
          .add("dtype", name_of(result.dtype))
          .add("shape", declared_shape(result.shape));
      item("call.results[" + std::to_string(i) + "]", "  ", flow);
    }
  }

  void write_loop() {
    remark("loop");
    if (std::holds_alternative<OnceLoop>(m_.loop) && !m_.call.arguments.empty())
      line("loop: {kind: once}");
    if (const auto* loop = std::get_if<DiffusionLoop>(&m_.loop)) write_diffusion(*loop);
    if (const auto* loop = std::get_if<AutoregressiveLoop>(&m_.loop)) write_autoregressive(*loop);
  }

  void write_diffusion(const DiffusionLoop& loop) {
    using Predicts = DiffusionLoop::Predicts;
    line("loop:\n  kind: diffusion");
    line("  state: " + yaml_scalar(loop.state));
    line("  timestep: " + yaml_scalar(loop.timestep));
    line("  prediction: " + yaml_scalar(loop.prediction));
    line(std::string("  predicts: ") + (loop.predicts == Predicts::kVelocity  ? "velocity"
                                        : loop.predicts == Predicts::kEpsilon ? "epsilon"
                                                                              : "sample"));
    line(std::string("  schedule: ") +
         (loop.schedule == DiffusionLoop::Schedule::kLinear ? "linear" : "cosine"));
    line("  steps: " + Flow()
                           .add("default", std::to_string(loop.default_steps))
                           .add("min", std::to_string(loop.min_steps))
                           .add("max", std::to_string(loop.max_steps))
                           .done());
    if (!loop.guidance) return;
    const auto& guidance = *loop.guidance;
    line("  guidance: " + Flow()
                              .add("default", written(guidance.default_value))
                              .add("min", written(guidance.min))
                              .add("max", written(guidance.max))
                              .add("input", yaml_scalar(guidance.input))
                              .add("unconditional", yaml_scalar(guidance.unconditional))
                              .done());
  }

  void write_autoregressive(const AutoregressiveLoop& loop) {
    line("loop:\n  kind: autoregressive");
    line("  slots: " + std::to_string(loop.slots));
    line("  context: " + std::to_string(loop.context));
    line("  prompt: " + yaml_scalar(loop.prompt));
    line("  tokens: " + yaml_scalar(loop.tokens));
    line("  logits: " + yaml_scalar(loop.logits));
    if (loop.begin) line("  begin: " + std::to_string(*loop.begin));
    std::string end;
    for (const std::int64_t id : loop.end) end += (end.empty() ? "" : ", ") + std::to_string(id);
    line("  end: [" + end + "]");
    if (loop.cache.empty()) return;
    line("  cache:");
    for (const auto& pair : loop.cache) {
      line("  - " + Flow()
                        .add("argument", yaml_scalar(pair.argument))
                        .add("result", yaml_scalar(pair.result))
                        .done());
    }
    line("  positions: " + yaml_scalar(loop.positions));
    line("  lengths: " + yaml_scalar(loop.lengths));
    line("  chunk: " + std::to_string(loop.chunk));
  }

  void write_outputs() {
    if (m_.outputs.empty()) return;
    remark("outputs");
    line("outputs:");
    for (std::size_t i = 0; i < m_.outputs.size(); ++i) {
      Flow flow;
      flow.add("name", yaml_scalar(m_.outputs[i].name));
      std::visit(WriteOutput{flow, m_.outputs[i].result}, m_.outputs[i].kind);
      item("outputs[" + std::to_string(i) + "]", "", flow);
    }
  }

  void write_batching() {
    std::string sizes = "[";
    for (const std::int64_t size : m_.batching.sizes)
      sizes += (sizes.size() > 1 ? ", " : "") + std::to_string(size);
    const auto wait = m_.batching.max_wait.count();
    field("batching", Flow()
                          .add("sizes", sizes + "]")
                          .add("maxWait", wait % 1000 == 0 ? std::to_string(wait / 1000) + "ms"
                                                           : std::to_string(wait) + "us")
                          .done());
  }

  void write_golden() {
    if (m_.golden.empty()) return;
    remark("golden");
    text_ += "golden:\n" + golden_lines(m_.golden, "");
  }

  const Manifest& m_;
  const Remarks& remarks_;
  std::string text_;
};

// The lines of a text and where each of the top-level fields begins.
class Lines {
 public:
  explicit Lines(std::string_view text) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      lines_.emplace_back(text.substr(begin, end - begin));
      begin = end;
    }
    if (!lines_.empty() && !lines_.back().ends_with('\n')) lines_.back() += '\n';
  }

  // The line after the field's last: comments and empty lines before the next field belong to that
  // one.
  std::size_t end_of(const YamlNode& root, std::size_t entry) const {
    const bool last = entry + 1 == root.entries.size();
    const auto begin = static_cast<std::size_t>(root.entries[entry].mark.line);
    std::size_t end =
        last ? lines_.size() : static_cast<std::size_t>(root.entries[entry + 1].mark.line) - 1;
    while (end > begin && is_between(lines_[end - 1])) --end;
    return end;
  }

  std::string replaced(std::size_t from, std::size_t to, std::string_view with) const {
    std::string text;
    for (std::size_t i = 0; i < from; ++i) text += lines_[i];
    text += with;
    for (std::size_t i = to; i < lines_.size(); ++i) text += lines_[i];
    return text;
  }

 private:
  static bool is_between(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t\r\n");
    return first == std::string_view::npos || line[first] == '#' || line.starts_with("...");
  }
  std::vector<std::string> lines_;
};

// `yaml` with one top-level block replaced; put after `after` where there is none (at the end
// without `after`).
Result<std::string> replace_block(
    std::string_view yaml, std::string_view key, std::string_view after,
    const std::function<std::string(std::string_view indent)>& write) {
  SERIN_TRY_ASSIGN(
      const YamlNode root,
      parse_yaml(yaml, YamlLimits{.bytes = std::size_t{8} << 20, .depth = 32, .nodes = 400'000}));
  if (root.kind != YamlNode::Kind::kMap || root.entries.empty())
    return invalid("model.yaml: must be a mapping");
  const std::string indent(static_cast<std::size_t>(root.entries[0].mark.column) - 1, ' ');

  const Lines lines(yaml);
  std::size_t from = lines.end_of(root, root.entries.size() - 1), to = from;
  for (std::size_t i = 0; i < root.entries.size(); ++i) {
    if (root.entries[i].key == after && root.find(key) == nullptr)
      from = to = lines.end_of(root, i);
    if (root.entries[i].key == key) {
      from = static_cast<std::size_t>(root.entries[i].mark.line) - 1;
      to = lines.end_of(root, i);
    }
  }
  std::string text = lines.replaced(from, to, write(indent));

  // Nothing else may have moved: a document all on one line, say, has no place for a block.
  SERIN_TRY_ASSIGN(json::value before, root.to_json());
  const auto reread =
      parse_yaml(text, YamlLimits{.bytes = std::size_t{32} << 20, .depth = 32, .nodes = 400'000});
  const auto reread_json =
      reread ? reread->to_json() : Result<json::value>(tl::unexpected(reread.error()));
  before.get_object()[key] = nullptr;
  json::value compared = reread_json ? *reread_json : json::value(nullptr);
  if (compared.is_object()) compared.get_object()[key] = nullptr;
  if (canonical_json(before) != canonical_json(compared)) {
    return invalid(
        "model.yaml: `" + std::string(key) +
        "` cannot be put into this text; write each top-level field on a line of its own");
  }
  return text;
}

}  // namespace

std::string yaml_scalar(std::string_view text) {
  const bool safe =
      !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '/' || c == '-' || c == ' ';
      });
  if (safe && text.front() != ' ' && text.back() != ' ') {
    YamlNode node;
    node.scalar = std::string(text);
    const auto read = node.to_json();
    if (read && read->is_string()) return node.scalar;
  }
  return json::serialize(json::value(text));
}

std::string write_files(const std::vector<FileEntry>& files, std::string_view indent) {
  std::string text;
  for (const FileEntry& file : files) {
    Flow flow;
    flow.add("path", yaml_scalar(file.path))
        .add("size", std::to_string(file.size))
        .add("sha256", yaml_scalar(file.sha256));
    text.append(indent).append("- ").append(flow.done()).append("\n");
  }
  return text;
}

std::string write_manifest(const Manifest& manifest, const Remarks& remarks) {
  return Writer(manifest, remarks).write();
}

Result<std::string> replace_files(std::string_view yaml, const std::vector<FileEntry>& files) {
  return replace_block(yaml, "files", "model", [&](std::string_view indent) {
    const std::string key = std::string(indent) + "files:";
    return files.empty() ? key + " []\n" : key + "\n" + write_files(files, indent);
  });
}

Result<std::string> replace_golden(std::string_view yaml, const std::vector<Golden>& golden) {
  return replace_block(yaml, "golden", "", [&](std::string_view indent) {
    const std::string key = std::string(indent) + "golden:";
    return golden.empty() ? key + " []\n" : key + "\n" + golden_lines(golden, indent);
  });
}

}  // namespace serin::model
