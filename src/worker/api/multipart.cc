// SPDX-License-Identifier: Apache-2.0
#include "worker/api/multipart.h"

#include <algorithm>

#include "net/http/text.h"

namespace serin::worker::api {
namespace {

using net::text::equal_ignoring_case;
using net::text::trim;

constexpr std::string_view kEndOfLine = "\r\n";
constexpr std::size_t kLongestBoundary = 70;  // RFC 2046, section 5.1.1

tl::unexpected<Error> malformed(std::string what) {
  return fail(
      Error{Code::kInvalidArgument, "the form cannot be read: " + std::move(what), "invalid_form"});
}

bool boundary_byte(unsigned char c) {
  const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return plain ||
         std::string_view("'()+_,-./:=? ").find(static_cast<char>(c)) != std::string_view::npos;
}

// One `; name=value` or `; name="value"` off the front of `rest`. A quoted value holds no quotes:
// clients write %22 (WHATWG HTML, multipart/form-data encoding).
struct Parameter {
  std::string_view name, value;
};
std::optional<Parameter> take_parameter(std::string_view& rest) {
  rest = trim(rest);
  if (!rest.starts_with(';')) return std::nullopt;
  rest = trim(rest.substr(1));
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos || !net::text::is_token(rest.substr(0, equals))) {
    return std::nullopt;
  }
  Parameter parameter{rest.substr(0, equals), {}};
  rest.remove_prefix(equals + 1);
  if (rest.starts_with('"')) {
    const auto close = rest.find('"', 1);
    if (close == std::string_view::npos) return std::nullopt;
    parameter.value = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
  } else {
    const auto end = std::min(rest.find(';'), rest.size());
    parameter.value = trim(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return parameter;
}

// form-data; name="prompt"; filename="a.png"
Status read_disposition(std::string_view value, FormPart& part) {
  const auto end = std::min(value.find(';'), value.size());
  if (!equal_ignoring_case(trim(value.substr(0, end)), "form-data")) {
    return malformed("a part's Content-Disposition must be form-data");
  }
  std::string_view rest = value.substr(end);
  while (!trim(rest).empty()) {
    const auto parameter = take_parameter(rest);
    if (!parameter)
      return malformed("a Content-Disposition has a parameter that is not name=value");
    if (equal_ignoring_case(parameter->name, "name")) part.name = parameter->value;
    if (equal_ignoring_case(parameter->name, "filename")) part.filename = parameter->value;
  }
  return {};
}

Status read_field(std::string_view line, FormPart& part) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !net::text::is_token(line.substr(0, colon)) ||
      !net::text::is_field_value(line.substr(colon + 1))) {
    return malformed("a part's field is not \"Name: value\"");
  }
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim(line.substr(colon + 1));
  if (equal_ignoring_case(name, "content-disposition")) return read_disposition(value, part);
  if (equal_ignoring_case(name, "content-type")) part.content_type = value;
  // RFC 7578, section 4.7: deprecated; what is said to be encoded is not what it seems.
  if (equal_ignoring_case(name, "content-transfer-encoding") &&
      !equal_ignoring_case(value, "binary") && !equal_ignoring_case(value, "8bit") &&
      !equal_ignoring_case(value, "7bit")) {
    return malformed("Content-Transfer-Encoding must be left out");
  }
  return {};
}

// The fields of a part, up to and with their empty line.
Result<FormPart> take_head(std::string_view& rest, std::size_t limit) {
  FormPart part;
  std::size_t used = 0;
  while (true) {
    const std::string_view window = rest.substr(0, limit - used + kEndOfLine.size());
    const auto end = window.find(kEndOfLine);
    if (end == std::string_view::npos) {
      return malformed("a part's fields do not end within " + std::to_string(limit) + " bytes");
    }
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + kEndOfLine.size());
    used += line.size();
    if (line.empty()) break;
    SERIN_TRY(read_field(line, part));
  }
  if (part.name.empty()) return malformed("a part has no name");
  return part;
}

}  // namespace

bool is_multipart(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return equal_ignoring_case(trim(type), "multipart/form-data");
}

Result<std::string> multipart_boundary(std::string_view content_type) {
  std::string_view rest =
      content_type.substr(std::min(content_type.find(';'), content_type.size()));
  while (const auto parameter = take_parameter(rest)) {
    if (!equal_ignoring_case(parameter->name, "boundary")) continue;
    const std::string_view value = parameter->value;
    const bool allowed = !value.empty() && value.size() <= kLongestBoundary &&
                         value.back() != ' ' && std::ranges::all_of(value, boundary_byte);
    if (!allowed)
      return malformed("its boundary must be 1 to 70 of the bytes that RFC 2046 allows");
    return std::string(value);
  }
  return malformed("Content-Type must name a boundary: multipart/form-data; boundary=…");
}

Result<std::vector<FormPart>> parse_multipart(std::string_view body, std::string_view boundary,
                                              const MultipartLimits& limits) {
  const std::string opening = "--" + std::string(boundary);
  const std::string delimiter = "\r\n" + opening;
  if (!body.starts_with(opening)) return malformed("it does not begin with its boundary");
  std::string_view rest = body.substr(opening.size());
  std::vector<FormPart> parts;
  while (!rest.starts_with("--")) {
    const std::string where = " (part " + std::to_string(parts.size() + 1) + ")";
    if (!rest.starts_with(kEndOfLine))
      return malformed("a boundary is not alone on its line" + where);
    if (parts.size() == limits.parts) {
      return malformed("it has more than " + std::to_string(limits.parts) + " parts");
    }
    rest.remove_prefix(kEndOfLine.size());
    auto part = take_head(rest, limits.head_bytes);
    if (!part) {
      part.error().message += where;
      return fail(std::move(part.error()));
    }
    const auto end = rest.find(delimiter);
    if (end == std::string_view::npos) return malformed("its closing boundary is missing" + where);
    part->body = rest.substr(0, end);
    rest.remove_prefix(end + delimiter.size());
    parts.push_back(*part);
  }
  rest.remove_prefix(2);
  if (!rest.empty() && rest != kEndOfLine) return malformed("bytes follow its closing boundary");
  return parts;
}

}  // namespace serin::worker::api
