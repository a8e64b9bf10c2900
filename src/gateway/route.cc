// SPDX-License-Identifier: Apache-2.0
#include "gateway/route.h"

#include <algorithm>
#include <array>

namespace serin::gateway {
namespace {

constexpr std::string_view kServices = "/services/";

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

// NAME in "/v2/models/NAME/…", "/v1/models/NAME:predict" and the like; empty: not such a path.
Name name_in_path(std::string_view path) {
  const bool v2 = path.starts_with("/v2/models/");
  if (!v2 && !path.starts_with("/v1/models/")) return {};
  std::string_view rest = path.substr(std::string_view("/v2/models/").size());
  const std::size_t slash = rest.find('/');
  Name name = parse_name(rest.substr(0, slash));
  // TensorFlow Serving's verb stands where a version could.
  if (!v2 && name.version == "predict") name.version.clear();
  if (name.version.ends_with(":predict"))
    name.version.resize(name.version.size() - std::string_view(":predict").size());
  constexpr std::string_view kVersions = "/versions/";
  if (slash != std::string_view::npos && rest.substr(slash).starts_with(kVersions)) {
    rest.remove_prefix(slash + kVersions.size());
    name.version = rest.substr(0, rest.find('/'));
  }
  return name;
}

// Whether the path is the template with something, without a slash, for each {name}.
bool fits(std::string_view pattern, std::string_view path) {
  while (true) {
    const std::size_t open = pattern.find('{');
    if (path.substr(0, open) != pattern.substr(0, open)) return false;
    if (open == std::string_view::npos) return true;
    path.remove_prefix(open);
    pattern.remove_prefix(pattern.find('}') + 1);
    // What follows the name is a slash, the end, or a verb such as ":predict".
    const std::size_t end = path.find(pattern.starts_with(':') ? ':' : '/');
    const std::size_t size = std::min(end, path.size());
    if (size == 0 || path.substr(0, size).find('/') != std::string_view::npos) return false;
    path.remove_prefix(size);
  }
}

constexpr std::size_t kPrefix = 5;  // of a gRPC message: a flag and its length

// Of a message whose prefix is there.
std::size_t grpc_length(std::string_view bytes) {
  std::size_t length = 0;
  for (std::size_t i = 1; i < kPrefix; ++i)
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  return length;
}

struct Varint {
  std::uint64_t value = 0;
  std::size_t size = 0;  // 0: cut off, or malformed
};

Varint read_varint(std::string_view bytes) {
  Varint read;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    read.value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      read.size = i + 1;
      return read;
    }
  }
  return {};
}

}  // namespace

std::string_view route_template(std::string_view target) {
  constexpr std::array<std::string_view, 22> kTemplates = {
      "/generate",
      "/v1/completions",
      "/v1/chat/completions",
      "/v1/responses",
      "/v1/images/generations",
      "/v1/audio/speech",
      "/v1/videos",
      "/v1/videos/{id}",
      "/v1/videos/{id}/content",
      "/v1/models/{model}:predict",
      "/v1/models/{model}/versions/{version}:predict",
      "/v1/models/{model}",
      "/v2/models/{model}",
      "/v2/models/{model}/ready",
      "/v2/models/{model}/infer",
      "/v2/models/{model}/versions/{version}",
      "/v2/models/{model}/versions/{version}/ready",
      "/v2/models/{model}/versions/{version}/infer",
      "/health/live",
      "/health/ready",
      "/metrics",
      "/openapi.json"};
  const std::string_view path = path_of(target);
  const auto* found =
      std::ranges::find_if(kTemplates, [&](std::string_view one) { return fits(one, path); });
  return found == kTemplates.end() ? std::string_view{} : *found;
}

Name parse_name(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string target_for(std::string_view target, std::string_view service) {
  const std::string_view path = path_of(target);
  const Name named = name_in_path(path);
  if (named.service.empty()) return std::string(target);
  constexpr std::size_t kBefore = std::string_view("/v2/models/").size();
  std::string made(target.substr(0, kBefore));
  return made.append(service).append(target.substr(kBefore + named.service.size()));
}

HeadRoute route_by_head(const net::RequestHead& head) {
  HeadRoute route;
  std::string_view target = head.target;
  std::optional<Name> in_path;
  if (target.starts_with(kServices)) {
    const std::string_view rest = target.substr(kServices.size());
    const std::size_t end = rest.find_first_of("/?");
    in_path = parse_name(rest.substr(0, end));
    target = end == std::string_view::npos ? std::string_view{} : rest.substr(end);
    route.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  } else {
    route.target = target;
    if (Name name = name_in_path(head.path); !name.service.empty()) in_path = std::move(name);
  }
  if (const std::string_view field = head.headers.get("serin-service"); !field.empty()) {
    route.name = parse_name(field);
  } else {
    route.name = std::move(in_path);
  }
  return route;
}

GrpcName grpc_name(std::string_view bytes, bool whole) {
  constexpr std::uint64_t kText = 2;  // protobuf's wire types
  GrpcName result;
  result.known = whole || bytes.size() > 64 * 1024;
  if (bytes.size() < kPrefix) return result;
  const std::size_t length = grpc_length(bytes);
  bytes.remove_prefix(kPrefix);
  if (bytes.size() >= length) {
    bytes = bytes.substr(0, length);
    result.known = true;
  }
  while (!bytes.empty()) {
    const Varint tag = read_varint(bytes);
    const Varint size = read_varint(bytes.substr(tag.size));
    if (tag.size == 0 || size.size == 0) return result;  // cut off
    // Fields 1 and 2 are texts, and writers put them first: at another one they have passed.
    if (tag.value % 8 != kText || tag.value / 8 == 0 || tag.value / 8 > 2) break;
    bytes.remove_prefix(tag.size + size.size);
    if (bytes.size() < size.value) return result;
    const std::string_view text = bytes.substr(0, size.value);
    (tag.value / 8 == 1 ? result.name.service : result.name.version) = text;
    bytes.remove_prefix(size.value);
  }
  result.known = result.known || !bytes.empty();
  if (result.name.version.empty()) result.name = parse_name(result.name.service);
  return result;
}

bool is_whole_grpc_message(std::string_view body) {
  return body.size() >= kPrefix && body.front() == 0 && grpc_length(body) == body.size() - kPrefix;
}

std::string with_grpc_fields(std::string_view body, std::string_view fields) {
  if (!is_whole_grpc_message(body)) return std::string(body);
  std::string made;
  made.reserve(body.size() + fields.size());
  made.append(body).append(fields);
  std::size_t length = made.size() - kPrefix;
  for (std::size_t i = kPrefix; i-- > 1; length >>= 8) made[i] = static_cast<char>(length & 0xff);
  return made;
}

// Of a field that is there twice readers take the last one, so nothing is cut out.
std::string with_grpc_name(std::string_view body, std::string_view name) {
  if (name.size() > 127) return std::string(body);
  std::string fields("\x0a");
  fields.append(1, static_cast<char>(name.size())).append(name);
  fields.append("\x12").append(1, '\0');
  return with_grpc_fields(body, fields);
}

bool streams_text(const net::RequestHead& head, std::string_view target) {
  const std::string_view path = path_of(target);
  return head.method == "POST" && (path == "/v1/completions" || path == "/v1/chat/completions");
}

bool repeatable(const net::RequestHead& head, std::string_view target) {
  return head.method == "GET" || head.method == "HEAD" ||
         !path_of(target).starts_with("/v1/videos");
}

}  // namespace serin::gateway
