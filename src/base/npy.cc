// SPDX-License-Identifier: Apache-2.0
// The header of an .npy file is a Python dictionary of three known keys; only that much of Python
// is read here.
#include <charconv>
#include <cstring>
#include <limits>

#include "base/tensor.h"

namespace serin {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
constexpr std::size_t kMaxDimensions = 32;  // NumPy's own limit before 2.0

struct DTypeCode {
  DType dtype;
  std::string_view code;
};
constexpr DTypeCode kCodes[] = {
    {DType::kBool, "|b1"},    {DType::kUInt8, "|u1"},   {DType::kInt8, "|i1"},
    {DType::kInt16, "<i2"},   {DType::kInt32, "<i4"},   {DType::kInt64, "<i8"},
    {DType::kFloat16, "<f2"}, {DType::kFloat32, "<f4"}, {DType::kFloat64, "<f8"},
};

struct Header {
  std::optional<DType> dtype;
  std::optional<bool> fortran;
  std::optional<Shape> shape;
};

class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  Result<Header> read() {
    Header header;
    if (!take('{')) return broken("it does not begin with '{'");
    while (!take('}')) {
      SERIN_TRY_ASSIGN(const std::string_view key, quoted());
      if (!take(':')) return broken("no ':' after a key");
      SERIN_TRY(read_value(key, header));
      if (!take(',') && peek() != '}') return broken("no ',' between two keys");
    }
    if (peek() != '\0') return broken("text after '}'");
    if (!header.dtype || !header.fortran || !header.shape) {
      return broken("one of 'descr', 'fortran_order', 'shape' is missing");
    }
    return header;
  }

 private:
  static tl::unexpected<Error> broken(std::string_view why) {
    return invalid("a broken .npy header: " + std::string(why));
  }
  void skip_space() {
    const std::size_t begin = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(begin == std::string_view::npos ? rest_.size() : begin);
  }
  char peek() {
    skip_space();
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(char letter) {
    if (peek() != letter || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  Result<std::string_view> quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return broken("a quoted word was expected");
    const std::size_t end = rest_.find(quote, 1);
    if (end == std::string_view::npos) return broken("a quote is not closed");
    const std::string_view word = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return word;
  }
  Status read_value(std::string_view key, Header& header) {
    if (key == "descr") {
      SERIN_TRY_ASSIGN(const std::string_view code, quoted());
      for (const DTypeCode& known : kCodes) {
        if (known.code == code) header.dtype = known.dtype;
      }
      if (!header.dtype) {
        return invalid("the .npy dtype '" + std::string(code) +
                       "' is not one of bool, uint8, and little-endian int and float types");
      }
      return {};
    }
    if (key == "fortran_order") {
      if (take_word("True"))
        header.fortran = true;
      else if (take_word("False"))
        header.fortran = false;
      else
        return broken("'fortran_order' is neither True nor False");
      return {};
    }
    if (key == "shape") return read_shape(header);
    return broken("unknown key '" + std::string(key) + "'");
  }
  Status read_shape(Header& header) {
    if (!take('(')) return broken("'shape' is not a tuple");
    Shape shape;
    while (!take(')')) {
      skip_space();
      std::int64_t dimension = 0;
      const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dimension);
      if (read.ec != std::errc() || dimension < 0) return broken("'shape' holds what is no size");
      rest_.remove_prefix(static_cast<std::size_t>(read.ptr - rest_.data()));
      shape.push_back(dimension);
      if (shape.size() > kMaxDimensions) return broken("'shape' has more than 32 dimensions");
      if (!take(',') && peek() != ')') return broken("'shape' has no ',' between sizes");
    }
    header.shape = std::move(shape);
    return {};
  }

  std::string_view rest_;
};

}  // namespace

Result<Tensor> parse_npy(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return invalid("not an .npy file of version 1.0");
  if (bytes.size() < 10) return invalid("a broken .npy header: it ends too early");
  const std::size_t size = static_cast<unsigned char>(bytes[8]) +
                           (std::size_t{static_cast<unsigned char>(bytes[9])} << 8);
  if (bytes.size() < 10 + size) return invalid("a broken .npy header: it ends too early");
  SERIN_TRY_ASSIGN(const Header header, HeaderReader(bytes.substr(10, size)).read());
  if (*header.fortran) return invalid("an .npy file in Fortran order; save it in C order");
  SERIN_TRY_ASSIGN(const std::int64_t count, element_count(*header.shape));
  const std::string_view data = bytes.substr(10 + size);
  if (data.size() != static_cast<std::size_t>(count) * size_of(*header.dtype)) {
    return invalid("an .npy file of shape " + to_string(*header.shape) + " and dtype " +
                   std::string(name_of(*header.dtype)) + " with " + std::to_string(data.size()) +
                   " bytes of data");
  }
  Tensor made(*header.dtype, *header.shape);
  std::memcpy(made.mutable_bytes().data(), data.data(), data.size());
  if (*header.dtype == DType::kBool) {
    for (const char value : data) {
      if (value != 0 && value != 1)
        return invalid("an .npy file of bool with a byte that is neither 0 nor 1");
    }
  }
  return made;
}

Result<std::string> to_npy(const Tensor& tensor) {
  std::string_view code;
  for (const DTypeCode& known : kCodes) {
    if (known.dtype == tensor.dtype()) code = known.code;
  }
  if (code.empty()) {
    return invalid("the .npy format has no " + std::string(name_of(tensor.dtype())));
  }
  std::string header = "{'descr': '" + std::string(code) + "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t dimension : tensor.shape()) header += std::to_string(dimension) + ", ";
  // Python writes (3,) and (2, 3).
  if (tensor.shape().size() == 1)
    header.pop_back();
  else if (tensor.shape().size() > 1)
    header.resize(header.size() - 2);
  header += "), }";
  // The data begin at a multiple of 64 bytes, the header ends with a newline.
  const std::size_t unpadded = kMagic.size() + 2 + header.size() + 1;
  header.append((64 - unpadded % 64) % 64, ' ');
  header += '\n';
  if (header.size() > std::numeric_limits<std::uint16_t>::max())
    return invalid("too many dimensions");
  std::string out(kMagic);
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  out.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.byte_size());
  return out;
}

}  // namespace serin
