// SPDX-License-Identifier: Apache-2.0
#include "model/attestation.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/files.h"
#include "model/folder.h"

namespace serin::model {
namespace {

constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
constexpr std::string_view kPredicateType = "https://serin.dev/reproducible/v1";
constexpr std::uint64_t kLimit = 1 << 20;

// A profile as a file name.
std::string file_of(std::string_view profile) {
  std::string name = "attestations/";
  for (const char c : profile) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-';
    name += plain ? c : '-';
  }
  return name + ".json";
}

std::string written(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

json::object to_statement(const std::string& name, const Attestation& attestation) {
  json::array outputs;
  for (const auto& [output, difference] : attestation.largest_difference) {
    outputs.push_back(json::object{{"name", output}, {"largestDifference", difference}});
  }
  const std::string hex = attestation.package.substr(attestation.package.find(':') + 1);
  return {{"_type", kStatementType},
          {"subject",
           json::array{json::object{{"name", name}, {"digest", json::object{{"sha256", hex}}}}}},
          {"predicateType", kPredicateType},
          {"predicate", json::object{{"profile", attestation.profile},
                                     {"bitwise", attestation.bitwise()},
                                     {"outputs", std::move(outputs)},
                                     {"date", attestation.date},
                                     {"software", attestation.software}}}};
}

Result<Attestation> from_statement(const json::value& document) {
  try {
    const json::object& statement = document.as_object();
    if (statement.at("_type").as_string() != kStatementType ||
        statement.at("predicateType").as_string() != kPredicateType) {
      return invalid("is not a statement of " + std::string(kPredicateType));
    }
    const json::object& predicate = statement.at("predicate").as_object();
    Attestation attestation;
    attestation.package =
        "sha256:" +
        std::string(statement.at("subject").as_array().at(0).at("digest").at("sha256").as_string());
    attestation.profile = std::string(predicate.at("profile").as_string());
    attestation.date = std::string(predicate.at("date").as_string());
    attestation.software = std::string(predicate.at("software").as_string());
    for (const json::value& output : predicate.at("outputs").as_array()) {
      const auto difference = output.at("largestDifference").to_number<double>();
      if (!(difference >= 0)) return invalid("a largestDifference must not be negative");
      attestation.largest_difference.emplace(std::string(output.at("name").as_string()),
                                             difference);
    }
    return attestation;
  } catch (const std::exception&) {  // Boost.JSON's accessors throw for what is missing or of
                                     // another type
    return invalid("lacks a field of " + std::string(kPredicateType));
  }
}

Result<Attestation> parse(std::string_view text, const Trust* trust) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(text));
  SERIN_TRY_ASSIGN(const Envelope envelope, parse_envelope(document));
  if (envelope.payload_type != kStatementPayload)
    return invalid("its payload is not " + std::string(kStatementPayload));
  if (trust != nullptr) SERIN_TRY(trust->verify(envelope, {}));
  SERIN_TRY_ASSIGN(const json::value statement, parse_json(envelope.payload));
  return from_statement(statement);
}

}  // namespace

bool Attestation::bitwise() const {
  return std::ranges::all_of(largest_difference, [](const auto& one) { return one.second == 0; });
}

Result<std::string> write_attestation(const Package& package, Attestation attestation,
                                      const SigningKey* key, const Clock& clock) {
  attestation.package = package.digest;
  attestation.date = written(clock.wall());
  for (const auto& [output, difference] : attestation.largest_difference) {
    if (!std::isfinite(difference))
      return invalid("the largest difference of " + output + " must be finite");
  }
  Envelope envelope{std::string(kStatementPayload),
                    json::serialize(to_statement(package.manifest.name, attestation)),
                    {}};
  if (key != nullptr) {
    envelope.signatures.push_back(
        key->sign(pre_authentication_encoding(envelope.payload_type, envelope.payload)));
  }
  const std::string file = file_of(attestation.profile);
  std::error_code error;
  std::filesystem::create_directories(package.root / "attestations", error);
  if (error)
    return fail(Code::kUnknown, (package.root / "attestations").string() + ": " + error.message());
  SERIN_TRY(write_file(package.root / file, json::serialize(to_json(envelope)) + "\n"));
  return file;
}

Result<std::optional<Attestation>> read_attestation(const Package& package,
                                                    std::string_view profile, const Trust* trust) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  const std::string file = file_of(profile);
  auto text = folder.read(file, kLimit);
  if (!text && text.error().code == Code::kNotFound) return std::optional<Attestation>();
  SERIN_TRY_ASSIGN(const std::string bytes, std::move(text));
  auto attestation = parse(bytes, trust);
  if (!attestation) return fail(std::move(attestation.error()).within(file));
  if (attestation->package != package.digest || attestation->profile != profile)
    return std::optional<Attestation>();
  return std::optional(*std::move(attestation));
}

}  // namespace serin::model
