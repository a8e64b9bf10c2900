// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 as bytes (RFC 9112), without sockets: strict readers for heads and bodies, and the
// writer of heads. A reader is fed what has come and says how much of it it used; what it did not
// use comes again with more. Whatever two implementations could read in two ways is refused
// (docs/decisions/0010-own-http1-parser.md). Owned by one connection, called on its thread; reset()
// makes a reader ready for the next message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/http/message.h"

namespace serin::net::h1 {

struct Limits {
  std::size_t head_bytes = 64 * 1024;
  std::size_t fields = 128;
  std::uint64_t body_bytes = 64 * 1024 * 1024;
};

// Why a message was refused: what a server answers, and for programs and people. Static text;
// status 0: nothing.
struct Fault {
  std::uint16_t status = 0;
  std::string_view code;
  std::string_view message;
};

enum class Step { kMore, kDone, kFault };

struct Framing {
  enum class Kind { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;
};

// Lines that end in CRLF and fields, within the limits of a head; what the two head readers share.
class FieldReader {
 public:
  explicit FieldReader(const Limits& limits) : limits_(limits) {}
  void reset();

  // The next whole line of `bytes` without its end. kMore: not here yet. `used` is advanced past
  // it.
  Step next_line(std::string_view bytes, std::size_t& used, std::string_view& line);
  // One field line into `headers`; `name` and `value` stay valid until the next call.
  Step read_field(std::string_view line, Headers& headers);
  // Content-Length and Transfer-Encoding as seen so far, once a field was read.
  Step note_framing(std::string_view name, std::string_view value);

  std::string_view name() const { return name_; }
  std::string_view value() const { return value_; }
  std::size_t head_bytes() const { return head_bytes_; }
  bool chunked() const { return chunked_; }
  bool has_length() const { return has_length_; }
  std::uint64_t length() const { return length_; }
  const Fault& fault() const { return fault_; }
  Step fail(std::uint16_t status, std::string_view code, std::string_view message);

 private:
  Limits limits_;
  std::size_t head_bytes_ = 0;
  std::size_t scanned_ = 0;
  std::size_t fields_ = 0;
  std::string_view name_;
  std::string_view value_;
  bool has_length_ = false;
  bool chunked_ = false;
  std::uint64_t length_ = 0;
  Fault fault_;
};

class RequestReader {
 public:
  explicit RequestReader(const Limits& limits) : limits_(limits), fields_(limits) {}
  void reset();
  Step read(std::string_view bytes, std::size_t& used);

  bool begun() const { return fields_.head_bytes() > 0; }
  RequestHead& head() { return head_; }
  const Framing& framing() const { return framing_; }
  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }
  bool http10() const { return http10_; }
  const Fault& fault() const { return fields_.fault(); }

 private:
  Step read_request_line(std::string_view line);
  Step read_target(std::string_view target);
  Step note_field();
  Step end_head();

  Limits limits_;
  FieldReader fields_;
  RequestHead head_;
  Framing framing_;
  bool in_fields_ = false;
  bool skipped_line_ = false;
  bool http10_ = false;
  bool keep_alive_ = true;
  bool expects_continue_ = false;
  bool has_host_ = false;
  std::string absolute_authority_;
};

class ResponseReader {
 public:
  explicit ResponseReader(const Limits& limits) : fields_(limits) {}
  // `to_head`: the request was HEAD, so that no body follows.
  void reset(bool to_head);
  Step read(std::string_view bytes, std::size_t& used);

  bool begun() const { return fields_.head_bytes() > 0; }
  ResponseHead& head() { return head_; }
  const Framing& framing() const { return framing_; }
  bool keep_alive() const { return keep_alive_; }
  const Fault& fault() const { return fields_.fault(); }

 private:
  Step read_status_line(std::string_view line);
  Step end_head();

  FieldReader fields_;
  ResponseHead head_;
  Framing framing_;
  bool to_head_ = false;
  bool in_fields_ = false;
  bool keep_alive_ = true;
};

class BodyReader {
 public:
  explicit BodyReader(const Limits& limits) : limits_(limits), fields_(limits) {}
  void reset(const Framing& framing);
  // Gives at most one piece, which points into `bytes`. kMore with a piece: call again with what is
  // left.
  Step read(std::string_view bytes, std::size_t& used, std::string_view& piece);

  bool done() const { return state_ == State::kDone; }
  // Known to be still to come; for a chunked body what is left of the chunk.
  std::uint64_t remaining() const { return remaining_; }
  bool chunked() const { return framing_.kind == Framing::Kind::kChunked; }
  const Headers& trailers() const { return trailers_; }
  const Fault& fault() const { return fields_.fault(); }

 private:
  enum class State { kData, kSize, kDataEnd, kTrailers, kDone };
  Step read_size(std::string_view bytes, std::size_t& used);
  Step read_size_line(std::string_view here, std::uint64_t& size, std::size_t& line_bytes);
  Step read_trailers(std::string_view bytes, std::size_t& used);
  Step take(std::string_view bytes, std::size_t& used, std::string_view& piece);

  Limits limits_;
  FieldReader fields_;
  Framing framing_;
  State state_ = State::kDone;
  std::uint64_t remaining_ = 0;
  std::uint64_t total_ = 0;
  std::size_t extension_bytes_ = 0;
  Headers trailers_;
};

// "HTTP/1.1 200 OK" and the fields but those that frame a message or a connection, which are the
// session's to write. The empty line that ends the head is not written.
void append_response_head(std::string& out, std::uint16_t status, const Headers& headers);
// True for fields that belong to one connection and not to a message (RFC 9110, section 7.6.1).
bool is_connection_field(std::string_view name);
// A chunk's size line.
void append_chunk_size(std::string& out, std::size_t size);

}  // namespace serin::net::h1
