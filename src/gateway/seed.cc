// SPDX-License-Identifier: Apache-2.0
#include "gateway/seed.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/protozero.h"
#include "gateway/route.h"
#include "net/grpc/frame.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kPrefix = 5;  // of a gRPC message: whether it is compressed, and its length
// Fields of ModelInferRequest, of an entry of its map of parameters, and of a parameter.
constexpr protozero::pbf_tag_type kParametersField = 4, kKey = 1, kValue = 2, kInt64 = 2;

bool has_seed(std::string_view message) {
  protozero::pbf_reader fields(message.data(), message.size());
  while (fields.next(kParametersField, protozero::pbf_wire_type::length_delimited)) {
    protozero::pbf_reader entry = fields.get_message();
    if (!entry.next(kKey, protozero::pbf_wire_type::length_delimited)) continue;
    const protozero::data_view key = entry.get_view();
    if (std::string_view(key.data(), key.size()) == "seed") return true;
  }
  return false;
}

std::optional<std::string> seeded_parameters(std::string_view body, const BodyFields& fields,
                                             std::uint64_t seed) {
  const std::string alone = "{\"seed\":" + std::to_string(seed) + "}";
  if (fields.parameters.empty()) {
    std::string made(body.substr(0, fields.first_field));
    made.append("\"parameters\":").append(alone);
    if (!fields.empty) made += ',';
    return made.append(body.substr(fields.first_field));
  }
  std::string parameters = alone;
  if (fields.parameters != "null") {
    const auto inner = scan_body(fields.parameters);
    if (!inner || inner->seeded) return std::nullopt;
    parameters = with_seed(fields.parameters, *inner, seed);
  }
  const auto at = static_cast<std::size_t>(fields.parameters.data() - body.data());
  std::string made(body.substr(0, at));
  return made.append(parameters).append(body.substr(at + fields.parameters.size()));
}

}  // namespace

SeedPlace seed_place(const net::RequestHead& head, std::string_view target) {
  static constexpr std::array<std::string_view, 7> kGenerating = {
      "/generate",     "/v1/completions",        "/v1/chat/completions",
      "/v1/responses", "/v1/images/generations", "/v1/audio/speech",
      "/v1/videos"};
  if (head.method != "POST") return SeedPlace::kNone;
  if (net::grpc::is_grpc(head))
    return head.path == "/inference.GRPCInferenceService/ModelInfer" ? SeedPlace::kGrpc
                                                                     : SeedPlace::kNone;
  const std::string_view route = route_template(target);
  if (route.starts_with("/v2/models/") && route.ends_with("/infer")) return SeedPlace::kParameters;
  const bool generates = std::ranges::find(kGenerating, route) != kGenerating.end();
  const bool form = head.headers.get("content-type").starts_with("multipart/");
  return generates && !form ? SeedPlace::kTop : SeedPlace::kNone;
}

std::optional<std::string> seeded(std::string_view body, const BodyFields& fields, SeedPlace place,
                                  std::uint64_t seed) {
  if (place == SeedPlace::kParameters) return seeded_parameters(body, fields, seed);
  if (place != SeedPlace::kTop || fields.seeded) return std::nullopt;
  return with_seed(body, fields, seed);
}

std::optional<std::string> seeded_grpc(std::string_view body, std::uint64_t seed) {
  if (!is_whole_grpc_message(body)) return std::nullopt;
  try {
    if (has_seed(body.substr(kPrefix))) return std::nullopt;
  } catch (const protozero::exception&) {
    return std::nullopt;  // what is wrong with it is for the worker to say
  }
  std::string fields;
  protozero::pbf_writer message(fields);
  protozero::pbf_writer entry(message, kParametersField);
  entry.add_string(kKey, "seed");
  protozero::pbf_writer value(entry, kValue);
  value.add_int64(kInt64, static_cast<std::int64_t>(seed));
  value.commit();
  entry.commit();
  return with_grpc_fields(body, fields);
}

std::string json_length(const net::Headers& headers, std::size_t more) {
  const std::string_view said = headers.get("inference-header-content-length");
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), length);
  if (said.empty() || error != std::errc() || end != said.data() + said.size()) return {};
  return std::to_string(length + more);
}

}  // namespace serin::gateway
