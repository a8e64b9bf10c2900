// SPDX-License-Identifier: Apache-2.0
// The opcodes and the shape of their arguments:
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
#include "backends/torch/pickle_scan.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>

namespace serin::backends {
namespace {

enum class Shape : std::uint8_t {
  kUnknown,
  kNone,
  kBytes,
  kCounted1,
  kCounted4,
  kCounted8,
  kLine,
  kGlobal,
  kForbidden,
  kStop
};

struct Opcode {
  Shape shape = Shape::kUnknown;
  std::uint8_t bytes = 0;
};

constexpr std::array<Opcode, 256> kOpcodes = [] {
  std::array<Opcode, 256> table{};
  const auto set = [&table](std::string_view codes, Shape shape, std::uint8_t bytes = 0) {
    for (const char code : codes) table[static_cast<unsigned char>(code)] = {shape, bytes};
  };
  // MARK, EMPTY_TUPLE, POP, POP_MARK, DUP, LIST, NONE, DICT, APPEND, BUILD, EMPTY_DICT, APPENDS,
  // SETITEM, TUPLE, SETITEMS, EMPTY_LIST, BINPERSID
  set("()012lNdab}estu]Q", Shape::kNone);
  set("q", Shape::kBytes, 1);       // BINPUT
  set("hK\x80", Shape::kBytes, 1);  // BINGET, BININT1, PROTO
  set("M", Shape::kBytes, 2);       // BININT2
  set("Jjr", Shape::kBytes, 4);     // BININT, LONG_BINGET, LONG_BINPUT
  set("G", Shape::kBytes, 8);       // BINFLOAT
  set("\x95", Shape::kBytes, 8);    // FRAME
  set("IFLSVgpP", Shape::kLine);    // textual INT, FLOAT, LONG, STRING, UNICODE, GET, PUT, PERSID
  set("UC\x8a\x8c", Shape::kCounted1);  // SHORT_BINSTRING, SHORT_BINBYTES, LONG1, SHORT_BINUNICODE
  set("TXB\x8b", Shape::kCounted4);     // BINSTRING, BINUNICODE, BINBYTES, LONG4
  set("\x8d\x8e\x96", Shape::kCounted8);  // BINUNICODE8, BINBYTES8, BYTEARRAY8
  // REDUCE, NEWOBJ, NEWOBJ_EX, TUPLE1 to 3, NEWTRUE, NEWFALSE, EMPTY_SET, ADDITEMS, FROZENSET,
  // MEMOIZE, NEXT_BUFFER, READONLY_BUFFER
  set("R\x81\x92\x85\x86\x87\x88\x89\x8f\x90\x91\x94\x97\x98", Shape::kNone);
  set("c", Shape::kGlobal);
  set("io\x93\x82\x83\x84", Shape::kForbidden);  // INST, OBJ, STACK_GLOBAL, EXT1, EXT2, EXT4
  set(".", Shape::kStop);
  return table;
}();

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  std::optional<std::string_view> take(std::uint64_t count) {
    if (count > rest_.size()) return std::nullopt;
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::optional<std::uint64_t> number(std::size_t bytes) {
    const auto taken = take(bytes);
    if (!taken) return std::nullopt;
    std::uint64_t value = 0;
    std::memcpy(&value, taken->data(), bytes);  // little-endian, as the machine
    return value;
  }
  std::optional<std::string_view> line() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view taken = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return taken;
  }

 private:
  std::string_view rest_;
};

bool skip_counted(Reader& reader, std::size_t width) {
  const auto count = reader.number(width);
  return count && reader.take(*count);
}

}  // namespace

Result<std::vector<std::string>> pickle_globals(std::string_view bytes) {
  std::set<std::string> found;
  Reader reader(bytes);
  const auto broken = [] { return invalid("a broken pickle: it ends inside an instruction"); };
  while (const auto code = reader.take(1)) {
    const auto byte = static_cast<unsigned char>(code->front());
    const Opcode& opcode = kOpcodes[byte];
    switch (opcode.shape) {
      case Shape::kUnknown:
        return invalid("a broken pickle: no instruction has the number " + std::to_string(byte));
      case Shape::kNone:
        break;
      case Shape::kBytes:
        if (!reader.take(opcode.bytes)) return broken();
        break;
      case Shape::kCounted1:
        if (!skip_counted(reader, 1)) return broken();
        break;
      case Shape::kCounted4:
        if (!skip_counted(reader, 4)) return broken();
        break;
      case Shape::kCounted8:
        if (!skip_counted(reader, 8)) return broken();
        break;
      case Shape::kLine:
        if (!reader.line()) return broken();
        break;
      case Shape::kGlobal: {
        const auto module = reader.line();
        const auto name = reader.line();
        if (!module || !name) return broken();
        found.insert(std::string(*module) + "." + std::string(*name));
        break;
      }
      case Shape::kForbidden:
        return fail(Code::kPermissionDenied,
                    "a pickle with instruction " + std::to_string(byte) +
                        ", which builds objects in a way that no model needs");
      case Shape::kStop:
        return std::vector<std::string>(found.begin(), found.end());
    }
  }
  return invalid("a broken pickle: it does not end");
}

bool is_known_torchscript_global(std::string_view name) {
  constexpr std::string_view kClasses = "__torch__.torch.classes.";
  if (name.starts_with(kClasses)) return name.substr(kClasses.size()).starts_with("quantized.");
  if (name.starts_with("__torch__.")) return true;
  constexpr std::string_view kKnown[] = {
      "collections.OrderedDict",
      "torch._utils._rebuild_parameter",
      "torch._utils._rebuild_qtensor",
      "torch._utils._rebuild_sparse_tensor",
      "torch._utils._rebuild_tensor",
      "torch._utils._rebuild_tensor_v2",
      "torch.device",
      "torch.jit._pickle.build_boollist",
      "torch.jit._pickle.build_doublelist",
      "torch.jit._pickle.build_intlist",
      "torch.jit._pickle.build_tensor_from_id",
      "torch.jit._pickle.build_tensorlist",
      "torch.jit._pickle.restore_type_tag",
  };
  if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) return true;
  // torch.FloatStorage and its sisters.
  constexpr std::string_view kTorch = "torch.";
  if (!name.starts_with(kTorch) || !name.ends_with("Storage")) return false;
  return name.find('.', kTorch.size()) == std::string_view::npos;
}

}  // namespace serin::backends
