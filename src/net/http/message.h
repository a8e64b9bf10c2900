// SPDX-License-Identifier: Apache-2.0
// HTTP as plain values, the same for HTTP/1.1 and HTTP/2, for servers and clients (RFC 9110).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace serin::net {

// Field lines in order. Names compare without case and are kept in lower case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  // Bytes that a name or a value may not hold are replaced (by '-' and ' '): no field can end its
  // own line.
  void add(std::string_view name, std::string_view value);
  // For parsers, which have checked both: nothing is replaced. The name is in lower case.
  void add_checked(std::string&& name, std::string&& value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void reserve(std::size_t lines) { fields_.reserve(lines); }
  void set(std::string_view name, std::string_view value);  // replaces every line of that name
  void remove(std::string_view name);
  // The first line of that name, or empty; nullopt tells a missing field from an empty one.
  std::optional<std::string_view> find(std::string_view name) const;
  std::string_view get(std::string_view name) const {
    return find(name).value_or(std::string_view{});
  }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct RequestHead {
  std::string method;
  std::string target;     // origin-form as sent: path and query
  std::string path;       // percent-decoded, dot segments refused; no query
  std::string query;      // as sent, without '?'
  std::string authority;  // Host or :authority
  Headers headers;
  bool http2 = false;
  bool tls = false;
  std::string peer;  // "127.0.0.1:5342", "unix:1000" (the number of the user)

  // The decoded value of a query parameter; nullopt when absent.
  std::optional<std::string> query_parameter(std::string_view name) const;
};

struct ResponseHead {
  std::uint16_t status = 200;
  Headers headers;
};

struct Response {
  std::uint16_t status = 200;
  Headers headers;
  std::string body;
};

// What content-length says; nullopt where it is missing or no number.
std::optional<std::uint64_t> declared_length(const Headers& headers);
// "Not Found"; empty for a status without a registered phrase.
std::string_view reason_phrase(std::uint16_t status);

}  // namespace serin::net
