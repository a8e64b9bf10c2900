// SPDX-License-Identifier: Apache-2.0
#include "net/http/uri.h"

#include <charconv>

#include "net/http/text.h"

namespace serin::net {

namespace {

constexpr auto npos = std::string_view::npos;

// The byte that the escape at `at` stands for, or -1.
int escaped_byte(std::string_view text, std::size_t at) {
  if (at + 2 >= text.size()) return -1;
  const int high = text::hex_digit(text[at + 1]);
  const int low = text::hex_digit(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool has_dot_segment(std::string_view path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    std::size_t end = path.find('/', begin);
    if (end == npos) end = path.size();
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment == "." || segment == "..") return true;
    begin = end + 1;
  }
  return false;
}

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty())
    return std::nullopt;
  return port;
}

bool is_host(std::string_view host) {
  if (host.empty()) return false;
  if (host.front() == '[') {
    if (host.size() < 4 || host.back() != ']') return false;
    for (const char c : host.substr(1, host.size() - 2))
      if (text::hex_digit(c) < 0 && c != ':' && c != '.') return false;
    return true;
  }
  for (const char c : host) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !digit && std::string_view("-._~!$&'()*+,;=%").find(c) == npos) return false;
  }
  return true;
}

// Where the port's colon stands, or npos.
std::size_t port_colon(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  return colon != npos && bracket != npos && colon < bracket ? npos : colon;
}

Result<Endpoint> parse_unix_url(std::string_view url) {
  std::string_view rest = url.substr(5);
  const std::size_t colon = rest.find(':');
  Endpoint endpoint;
  endpoint.unix_socket = rest.substr(0, colon);
  endpoint.authority = "localhost";
  endpoint.target = colon == npos ? "/" : rest.substr(colon + 1);
  // sun_path holds 108 bytes with its terminating zero (unix(7)).
  if (endpoint.unix_socket.empty() || endpoint.unix_socket.size() > 107)
    return invalid("the socket's path in \"" + std::string(url) + "\" must have 1 to 107 bytes",
                   "url");
  return endpoint;
}

Status check_target(const Endpoint& endpoint, std::string_view url) {
  if (endpoint.target.front() != '/')
    return invalid("the path in \"" + std::string(url) + "\" must begin with '/'", "url");
  for (const char c : endpoint.target)
    if (c <= ' ' || c == 0x7f || c == '#')
      return invalid(
          "the path in \"" + std::string(url) + "\" holds a byte that must be percent-encoded",
          "url");
  return {};
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int byte = escaped_byte(text, i);
    if (byte < 0) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
    if (plain) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

std::string form_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = text[i] == '%' ? escaped_byte(text, i) : -1;
    decoded += byte >= 0 ? static_cast<char>(byte) : text[i] == '+' ? ' ' : text[i];
    if (byte >= 0) i += 2;
  }
  return decoded;
}

std::string_view decode_path(std::string_view raw, std::string& path) {
  path.clear();
  bool dotted = false;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const int byte = escaped_byte(raw, i);
      if (byte < 0) return "the path holds a malformed percent-escape";
      if (byte == '/' || byte == '\\') return "the path holds an escaped slash";
      if (byte < ' ' || byte == 0x7f) return "the path holds an escaped control byte";
      c = static_cast<char>(byte);
      i += 2;
    }
    dotted = dotted || c == '.';
    path += c;
  }
  if (dotted && has_dot_segment(path)) return "the path holds a dot segment";
  return {};
}

bool is_authority(std::string_view text) {
  const std::size_t colon = port_colon(text);
  if (colon == npos) return is_host(text);
  const std::string_view port = text.substr(colon + 1);
  return is_host(text.substr(0, colon)) && (port.empty() || parse_port(port).has_value());
}

std::string Endpoint::key() const {
  if (!unix_socket.empty()) return "unix:" + unix_socket;
  return (tls ? "https:" : "http:") + host + ":" + std::to_string(port);
}

Result<Endpoint> parse_url(std::string_view url) {
  Endpoint endpoint;
  if (url.starts_with("unix:")) {
    SERIN_TRY_ASSIGN(endpoint, parse_unix_url(url));
  } else {
    const bool plain = url.starts_with("http://");
    endpoint.tls = url.starts_with("https://");
    if (!plain && !endpoint.tls)
      return invalid("\"" + std::string(url) + "\" must begin with http://, https:// or unix:",
                     "url");
    std::string_view rest = url.substr(plain ? 7 : 8);
    const std::size_t path = rest.find_first_of("/?#");
    const std::string_view authority = rest.substr(0, path);
    rest = path == npos ? std::string_view{} : rest.substr(path);
    rest = rest.substr(0, rest.find('#'));
    if (!is_authority(authority))
      return invalid("\"" + std::string(url) + "\" has no valid host", "url");
    const std::size_t colon = port_colon(authority);
    endpoint.authority = authority;
    endpoint.host = authority.substr(0, colon);
    if (endpoint.host.front() == '[')
      endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
    endpoint.port = endpoint.tls ? 443 : 80;
    if (colon != npos && colon + 1 < authority.size())
      endpoint.port = *parse_port(authority.substr(colon + 1));
    endpoint.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  }
  SERIN_TRY(check_target(endpoint, url));
  return endpoint;
}

}  // namespace serin::net
