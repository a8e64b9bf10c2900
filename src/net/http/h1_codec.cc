// SPDX-License-Identifier: Apache-2.0
#include "net/http/h1_codec.h"

#include <charconv>
#include <cstring>

#include "net/http/text.h"
#include "net/http/uri.h"

namespace serin::net::h1 {

namespace {

constexpr std::size_t kSizeLineBytes = 256;         // a chunk's size with its extensions
constexpr std::size_t kExtensionBytes = 16 * 1024;  // extensions of a whole body
constexpr std::size_t kMethodBytes = 32;
constexpr std::size_t kSizeDigits = 15;  // of a chunk's size

// Visible ASCII, but what RFC 3986 never allows in a target and somebody might read as something
// else.
constexpr auto kTargetByte = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < 256; ++c)
    table[c] = c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\';
  return table;
}();

std::optional<std::uint64_t> parse_decimal(std::string_view digits) {
  if (digits.empty() || digits.size() > 19) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// The length of a chunk's size line without extensions, as nearly every one is; 0: it is another
// one, or not all of it has come.
std::size_t plain_size_line(std::string_view bytes, std::uint64_t& size) {
  std::size_t digits = 0;
  for (; digits < kSizeDigits && digits < bytes.size(); ++digits) {
    const int digit = text::hex_digit(bytes[digits]);
    if (digit < 0) break;
    size = size * 16 + static_cast<std::uint64_t>(digit);
  }
  return digits > 0 && bytes.substr(digits).starts_with("\r\n") ? digits + 2 : 0;
}

}  // namespace

// --- FieldReader

void FieldReader::reset() {
  head_bytes_ = scanned_ = fields_ = 0;
  has_length_ = chunked_ = false;
  length_ = 0;
  fault_ = {};
}

Step FieldReader::fail(std::uint16_t status, std::string_view code, std::string_view message) {
  fault_ = {status, code, message};
  return Step::kFault;
}

Step FieldReader::next_line(std::string_view bytes, std::size_t& used, std::string_view& line) {
  const char* const begin = bytes.data() + used;
  const std::size_t size = bytes.size() - used;
  const void* found =
      size > scanned_ ? std::memchr(begin + scanned_, '\n', size - scanned_) : nullptr;
  const std::size_t length =
      found ? static_cast<std::size_t>(static_cast<const char*>(found) - begin) + 1 : size;
  if (head_bytes_ + length > limits_.head_bytes)
    return fail(431, "header_too_large",
                "the request line and fields are larger than the server allows");
  if (found == nullptr) {
    scanned_ = size;
    return Step::kMore;
  }
  if (length < 2 || begin[length - 2] != '\r')
    return fail(400, "bare_line_feed", "a line must end with CR LF, not LF alone");
  line = {begin, length - 2};
  scanned_ = 0;
  head_bytes_ += length;
  used += length;
  return Step::kDone;
}

Step FieldReader::read_field(std::string_view line, Headers& headers) {
  if (line.front() == ' ' || line.front() == '\t')
    return fail(400, "obsolete_fold", "a field must not be folded over two lines");
  if (++fields_ > limits_.fields)
    return fail(431, "too_many_fields", "the message has more fields than the server allows");
  const std::size_t colon = line.find(':');
  std::string name(line.substr(0, colon));
  for (char& c : name) {
    c = text::kTokenLower[static_cast<unsigned char>(c)];
    if (c == 0)
      return fail(400, "bad_field_name", "a field's name holds a byte that is not allowed there");
  }
  if (colon == std::string_view::npos || colon == 0)
    return fail(400, "bad_field_name", "a field line must be a name, a colon and a value");
  const std::string_view value = text::trim(line.substr(colon + 1));
  if (!text::is_field_value(value))
    return fail(400, "bad_field_value", "a field's value holds a control byte");
  headers.add_checked(std::move(name), std::string(value));
  const auto& added = *(headers.end() - 1);
  name_ = added.first;
  value_ = added.second;
  return Step::kDone;
}

Step FieldReader::note_framing(std::string_view name, std::string_view value) {
  if (name == "content-length") {
    if (has_length_)
      return fail(400, "duplicate_content_length", "content-length must be given once");
    const auto length = parse_decimal(value);
    if (!length) return fail(400, "bad_content_length", "content-length must be a decimal number");
    has_length_ = true;
    length_ = *length;
  } else if (name == "transfer-encoding") {
    if (chunked_) return fail(400, "bad_transfer_encoding", "transfer-encoding must be given once");
    if (!text::equal_ignoring_case(value, "chunked"))
      return fail(501, "bad_transfer_encoding",
                  "the only transfer-encoding that is understood is chunked");
    chunked_ = true;
  }
  if (chunked_ && has_length_)
    return fail(400, "ambiguous_length", "transfer-encoding and content-length exclude each other");
  return Step::kDone;
}

// --- RequestReader

void RequestReader::reset() {
  fields_.reset();
  head_ = {};
  framing_ = {};
  in_fields_ = skipped_line_ = http10_ = expects_continue_ = has_host_ = false;
  keep_alive_ = true;
  absolute_authority_.clear();
}

Step RequestReader::read(std::string_view bytes, std::size_t& used) {
  while (true) {
    std::string_view line;
    Step step = fields_.next_line(bytes, used, line);
    if (step == Step::kFault && !in_fields_ && fields_.fault().status == 431)
      return fields_.fail(414, "target_too_long",
                          "the request line is longer than the server allows");
    if (step != Step::kDone) return step;
    if (!in_fields_) {
      if (line.empty() &&
          !skipped_line_) {  // RFC 9112, section 2.2: some clients end a body with an extra CRLF
        skipped_line_ = true;
        continue;
      }
      step = read_request_line(line);
      in_fields_ = true;
    } else if (line.empty()) {
      return end_head();
    } else {
      step = fields_.read_field(line, head_.headers);
      if (step == Step::kDone) step = note_field();
    }
    if (step == Step::kFault) return step;
  }
}

Step RequestReader::read_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fields_.fail(400, "bad_request_line",
                        "the request line must be a method, a target and a version");
  const std::string_view method = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  if (!text::is_token(method) || method.size() > kMethodBytes)
    return fields_.fail(400, "bad_method", "the method must be a token of at most 32 bytes");
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool other = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.';
    if (other) return fields_.fail(505, "bad_version", "this port speaks HTTP/1.1 and HTTP/2");
    return fields_.fail(400, "bad_version", "the version must be HTTP/1.1 or HTTP/1.0");
  }
  http10_ = version.back() == '0';
  keep_alive_ = !http10_;
  head_.method = method;
  head_.headers.reserve(12);
  return read_target(line.substr(first + 1, last - first - 1));
}

Step RequestReader::read_target(std::string_view target) {
  for (const unsigned char c : target)
    if (!kTargetByte[c])
      return fields_.fail(400, "bad_target",
                          "the target holds a byte that must be percent-encoded");
  if (head_.method == "CONNECT") return fields_.fail(501, "no_tunnels", "CONNECT is not served");
  if (target == "*" && head_.method == "OPTIONS") {
    head_.target = head_.path = target;
    return Step::kDone;
  }
  if (!target.starts_with('/')) {
    const bool http = target.starts_with("http://") || target.starts_with("https://");
    if (!http) return fields_.fail(400, "bad_target", "the target must begin with '/' or http://");
    target.remove_prefix(target.find("//") + 2);
    const std::size_t path = target.find_first_of("/?");
    absolute_authority_ = target.substr(0, path);
    if (!is_authority(absolute_authority_))
      return fields_.fail(400, "bad_target", "the target's authority is malformed");
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    if (target.front() == '?') return fields_.fail(400, "bad_target", "the target has no path");
  }
  head_.target = target;
  const std::size_t question = target.find('?');
  const std::string_view wrong = decode_path(target.substr(0, question), head_.path);
  if (!wrong.empty()) return fields_.fail(400, "bad_path", wrong);
  if (question != std::string_view::npos) head_.query = target.substr(question + 1);
  return Step::kDone;
}

Step RequestReader::note_field() {
  const std::string_view name = fields_.name();
  const std::string_view value = fields_.value();
  switch (name.size()) {
    case 4:
      if (name != "host") break;
      if (has_host_) return fields_.fail(400, "duplicate_host", "host must be given once");
      if (!is_authority(value))
        return fields_.fail(400, "bad_host", "host must be a name with or without a port");
      has_host_ = true;
      head_.authority = value;
      break;
    case 6:
      if (name != "expect") break;
      if (!text::equal_ignoring_case(value, "100-continue"))
        return fields_.fail(417, "bad_expectation",
                            "the only expectation that is met is 100-continue");
      expects_continue_ = !http10_;
      break;
    case 10:
      if (name != "connection") break;
      text::for_each_element(value, [&](std::string_view option) {
        if (text::equal_ignoring_case(option, "close")) keep_alive_ = false;
        if (http10_ && text::equal_ignoring_case(option, "keep-alive")) keep_alive_ = true;
      });
      break;
    case 14:
    case 17:
      return fields_.note_framing(name, value);
    default:
      break;
  }
  return Step::kDone;
}

Step RequestReader::end_head() {
  if (!has_host_ && !http10_) return fields_.fail(400, "missing_host", "host is missing");
  if (!absolute_authority_.empty()) {
    if (has_host_ && !text::equal_ignoring_case(absolute_authority_, head_.authority))
      return fields_.fail(400, "host_mismatch", "host differs from the target's authority");
    head_.authority = absolute_authority_;
  }
  if (fields_.chunked()) {
    if (http10_)
      return fields_.fail(400, "bad_transfer_encoding", "HTTP/1.0 has no transfer-encoding");
    framing_.kind = Framing::Kind::kChunked;
  } else if (fields_.has_length()) {
    framing_ = {Framing::Kind::kLength, fields_.length()};
    if (fields_.length() > limits_.body_bytes)
      return fields_.fail(413, "body_too_large", "the body is larger than the server allows");
  }
  return Step::kDone;
}

// --- ResponseReader

void ResponseReader::reset(bool to_head) {
  fields_.reset();
  head_ = {};
  framing_ = {};
  to_head_ = to_head;
  in_fields_ = false;
  keep_alive_ = true;
}

Step ResponseReader::read(std::string_view bytes, std::size_t& used) {
  while (true) {
    std::string_view line;
    Step step = fields_.next_line(bytes, used, line);
    if (step != Step::kDone) return step;
    if (!in_fields_) {
      step = read_status_line(line);
      head_.headers.reserve(12);
      in_fields_ = true;
    } else if (line.empty()) {
      return end_head();
    } else {
      step = fields_.read_field(line, head_.headers);
      if (step == Step::kDone) step = fields_.note_framing(fields_.name(), fields_.value());
      if (step == Step::kDone && fields_.name() == "connection")
        text::for_each_element(fields_.value(), [&](std::string_view option) {
          if (text::equal_ignoring_case(option, "close")) keep_alive_ = false;
        });
    }
    if (step == Step::kFault) return step;
  }
}

Step ResponseReader::read_status_line(std::string_view line) {
  const bool http11 = line.starts_with("HTTP/1.1 ");
  if (!http11 && !line.starts_with("HTTP/1.0 "))
    return fields_.fail(502, "bad_version", "the answer does not begin with HTTP/1.1");
  keep_alive_ = http11;
  const auto status = parse_decimal(line.substr(9, 3));
  const bool ended = line.size() == 12 || (line.size() > 12 && line[12] == ' ');
  if (!ended || !status || *status < 100 || *status > 599 || !text::is_field_value(line))
    return fields_.fail(502, "bad_status", "the answer's status line is malformed");
  head_.status = static_cast<std::uint16_t>(*status);
  return Step::kDone;
}

Step ResponseReader::end_head() {
  const std::uint16_t status = head_.status;
  if (to_head_ || status < 200 || status == 204 || status == 304) return Step::kDone;
  if (fields_.chunked()) {
    framing_.kind = Framing::Kind::kChunked;
  } else if (fields_.has_length()) {
    framing_ = {Framing::Kind::kLength, fields_.length()};
  } else {
    framing_.kind = Framing::Kind::kUntilClose;
    keep_alive_ = false;
  }
  return Step::kDone;
}

// --- BodyReader

void BodyReader::reset(const Framing& framing) {
  framing_ = framing;
  remaining_ = framing.length;
  total_ = 0;
  extension_bytes_ = 0;
  fields_.reset();
  trailers_ = {};
  switch (framing.kind) {
    case Framing::Kind::kNone:
      state_ = State::kDone;
      break;
    case Framing::Kind::kLength:
      state_ = framing.length > 0 ? State::kData : State::kDone;
      break;
    case Framing::Kind::kChunked:
      state_ = State::kSize;
      break;
    case Framing::Kind::kUntilClose:
      state_ = State::kData;
      break;
  }
}

Step BodyReader::read(std::string_view bytes, std::size_t& used, std::string_view& piece) {
  piece = {};
  while (true) {
    Step step = Step::kDone;
    switch (state_) {
      case State::kDone:
        return Step::kDone;
      case State::kData:
        return take(bytes, used, piece);
      case State::kSize:
        step = read_size(bytes, used);
        break;
      case State::kDataEnd:
        if (bytes.size() - used < 2) {
          if (bytes.size() > used && bytes[used] != '\r')
            return fields_.fail(400, "bad_chunk", "a chunk is longer than its size says");
          return Step::kMore;
        }
        if (bytes[used] != '\r' || bytes[used + 1] != '\n')
          return fields_.fail(400, "bad_chunk", "a chunk is longer than its size says");
        used += 2;
        state_ = State::kSize;
        break;
      case State::kTrailers:
        return read_trailers(bytes, used);
    }
    if (step != Step::kDone) return step;
  }
}

Step BodyReader::take(std::string_view bytes, std::size_t& used, std::string_view& piece) {
  const std::size_t here = bytes.size() - used;
  if (framing_.kind == Framing::Kind::kUntilClose) {
    piece = bytes.substr(used);
    used += here;
    return Step::kMore;
  }
  const std::size_t size = here < remaining_ ? here : static_cast<std::size_t>(remaining_);
  piece = bytes.substr(used, size);
  used += size;
  remaining_ -= size;
  if (remaining_ > 0) return Step::kMore;
  if (framing_.kind == Framing::Kind::kChunked) {
    state_ = State::kDataEnd;
    return Step::kMore;
  }
  state_ = State::kDone;
  return Step::kDone;
}

Step BodyReader::read_size(std::string_view bytes, std::size_t& used) {
  std::uint64_t size = 0;
  std::size_t line = plain_size_line(bytes.substr(used), size);
  if (line == 0) {
    const Step step = read_size_line(bytes.substr(used, kSizeLineBytes), size, line);
    if (step != Step::kDone) return step;
  }
  total_ += size;
  if (total_ > limits_.body_bytes)
    return fields_.fail(413, "body_too_large", "the body is larger than the server allows");
  used += line;
  remaining_ = size;
  state_ = size > 0 ? State::kData : State::kTrailers;
  return Step::kDone;
}

Step BodyReader::read_size_line(std::string_view here, std::uint64_t& size,
                                std::size_t& line_bytes) {
  const std::size_t end = here.find('\n');
  if (end == std::string_view::npos) {
    if (here.size() == kSizeLineBytes)
      return fields_.fail(400, "chunk_extension_too_long",
                          "a chunk's extensions are longer than allowed");
    return Step::kMore;
  }
  if (end == 0 || here[end - 1] != '\r')
    return fields_.fail(400, "bare_line_feed", "a chunk's size must end with CR LF, not LF alone");
  const std::string_view line = here.substr(0, end - 1);
  size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && text::hex_digit(line[digits]) >= 0; ++digits) {
    if (digits == kSizeDigits)
      return fields_.fail(400, "bad_chunk_size", "a chunk's size has too many digits");
    size = size * 16 + static_cast<std::uint64_t>(text::hex_digit(line[digits]));
  }
  const std::string_view extension = line.substr(digits);
  if (digits == 0 || (!extension.empty() && extension.front() != ';') ||
      !text::is_field_value(extension))
    return fields_.fail(400, "bad_chunk_size", "a chunk's size must be hexadecimal digits");
  extension_bytes_ += extension.size();
  if (extension_bytes_ > kExtensionBytes)
    return fields_.fail(400, "chunk_extension_too_long",
                        "the body's chunk extensions are longer than allowed");
  line_bytes = end + 1;
  return Step::kDone;
}

Step BodyReader::read_trailers(std::string_view bytes, std::size_t& used) {
  while (true) {
    std::string_view line;
    Step step = fields_.next_line(bytes, used, line);
    if (step != Step::kDone) return step;
    if (line.empty()) {
      state_ = State::kDone;
      return Step::kDone;
    }
    step = fields_.read_field(line, trailers_);
    if (step != Step::kDone) return step;
  }
}

// --- writing

bool is_connection_field(std::string_view name) {
  switch (name.size()) {
    case 7:
      return name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

void append_response_head(std::string& out, std::uint16_t status, const Headers& headers) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
  } else {
    out += "HTTP/1.1 ";
    char digits[8];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, status);
    out.append(digits, end);
    out += ' ';
    out += reason_phrase(status);
    out += "\r\n";
  }
  for (const auto& [name, value] : headers) {
    if (is_connection_field(name) || name == "content-length") continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
}

void append_chunk_size(std::string& out, std::size_t size) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, size, 16);
  out.append(digits, end);
  out += "\r\n";
}

}  // namespace serin::net::h1
