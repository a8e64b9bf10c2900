// SPDX-License-Identifier: Apache-2.0
#include "model/attestation.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <sstream>

#include "base/files.h"
#include "base/json_members.h"
#include "model/folder.h"

namespace serin::model {
namespace {

constexpr std::string_view kFolder = "attestations/";
constexpr std::string_view kPredicateType = "https://serin.dev/reproducible/v1";
constexpr std::uint64_t kLimit = 1 << 20;      // bytes of one
constexpr std::size_t kMostAttestations = 64;  // of one package

// A profile as a file name.
std::string file_of(std::string_view profile) {
  std::string name(kFolder);
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
  for (const Attestation::Output& output : attestation.outputs) {
    const bool number = std::isfinite(output.largest_difference);
    outputs.push_back(
        json::object{{"name", output.name},
                     {"bitwise", output.bitwise},
                     {"largestDifference",
                      number ? json::value(output.largest_difference) : json::value(nullptr)}});
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

Result<Attestation::Output> parse_output(const json::value& value) {
  Attestation::Output output;
  output.name = text_of(member(value, "name"));
  const json::value* bitwise = member(value, "bitwise");
  const json::value* largest = member(value, "largestDifference");
  if (output.name.empty() || bitwise == nullptr || !bitwise->is_bool() || largest == nullptr ||
      !(largest->is_null() || largest->is_number())) {
    return invalid("an output must have a name, bitwise and largestDifference");
  }
  output.bitwise = bitwise->get_bool();
  output.largest_difference =
      largest->is_null() ? std::numeric_limits<double>::infinity() : largest->to_number<double>();
  if (!(output.largest_difference >= 0)) return invalid("a largestDifference must not be negative");
  if (output.bitwise && output.largest_difference != 0)
    return invalid("the output " + output.name + " cannot be bitwise and differ");
  return output;
}

Result<Attestation> from_statement(const json::value& statement) {
  const json::value* subjects = member(statement, "subject");
  if (subjects == nullptr || !subjects->is_array() || subjects->get_array().size() != 1)
    return invalid("it must have one subject");
  const json::value* predicate = member(statement, "predicate");
  const json::value* outputs = member(predicate, "outputs");
  if (outputs == nullptr || !outputs->is_array()) return invalid("it names no outputs");
  Attestation attestation;
  attestation.package =
      "sha256:" +
      std::string(text_of(member(member(subjects->get_array()[0], "digest"), "sha256")));
  attestation.profile = text_of(member(predicate, "profile"));
  attestation.date = text_of(member(predicate, "date"));
  attestation.software = text_of(member(predicate, "software"));
  for (const json::value& one : outputs->get_array()) {
    SERIN_TRY_ASSIGN(Attestation::Output output, parse_output(one));
    attestation.outputs.push_back(std::move(output));
  }
  return attestation;
}

Result<std::string> signer_of(const Bundle& bundle, const Trust* trust) {
  if (trust != nullptr) return trust->verify(bundle.envelope, bundle.voucher);
  return bundle.is_signed() ? "somebody" : "nobody";
}

Testimony testify(const Package& package, std::string file, const Result<std::string>& text,
                  const Trust* trust) {
  const auto refuse = [&](Error error) {
    return Testimony{file, fail(std::move(error).within(file)), {}};
  };
  if (!text) return Testimony{file, fail(text.error()), {}};  // it names the file itself
  const auto bundle = read_bundle(*text, kPredicateType);
  if (!bundle) return refuse(bundle.error());
  auto attestation = from_statement(bundle->statement);
  if (!attestation) return refuse(attestation.error());
  if (attestation->package != package.digest) {
    return refuse({Code::kFailedPrecondition,
                   "is about " + attestation->package + ", not about this package, " +
                       package.digest + "; run serin package verify --reproducible again"});
  }
  if (file_of(attestation->profile) != file) {
    return refuse({Code::kFailedPrecondition, "is about the profile " + attestation->profile +
                                                  ", whose place is " +
                                                  file_of(attestation->profile)});
  }
  auto signer = signer_of(*bundle, trust);
  if (!signer) return refuse(signer.error());
  return Testimony{std::move(file), *std::move(attestation), *std::move(signer)};
}

}  // namespace

bool Attestation::bitwise() const { return std::ranges::all_of(outputs, &Output::bitwise); }

std::string in_a_word(const Attestation::Output& output) {
  if (output.bitwise) return "bitwise";
  if (!std::isfinite(output.largest_difference)) return "no";
  std::ostringstream text;
  text << "within " << output.largest_difference;
  return text.str();
}

std::string in_a_word(const Attestation& attestation) {
  Attestation::Output all{"", attestation.bitwise(), 0};
  for (const Attestation::Output& output : attestation.outputs)
    all.largest_difference = std::max(all.largest_difference, output.largest_difference);
  return in_a_word(all);
}

Result<std::string> write_attestation(const Package& package, Attestation attestation,
                                      const SigningKey* key, const Clock& clock) {
  attestation.package = package.digest;
  attestation.date = written(clock.wall());
  const std::string file = file_of(attestation.profile);
  std::error_code error;
  std::filesystem::create_directories(package.root / kFolder, error);
  if (error)
    return fail(Code::kUnknown, (package.root / kFolder).string() + ": " + error.message());
  SERIN_TRY(write_file(package.root / file,
                       write_bundle(to_statement(package.manifest.name, attestation), key)));
  return file;
}

Result<Attestation> parse_attestation(std::string_view text) {
  SERIN_TRY_ASSIGN(const Bundle bundle, read_bundle(text, kPredicateType));
  return from_statement(bundle.statement);
}

Result<std::vector<Testimony>> read_attestations(const Package& package, const Trust* trust) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  SERIN_TRY_ASSIGN(auto files, folder.files());
  std::erase_if(files, [](const FoundFile& file) { return !file.path.starts_with(kFolder); });
  if (files.size() > kMostAttestations) {
    return fail(Code::kResourceExhausted,
                "has more than " + std::to_string(kMostAttestations) + " attestations");
  }
  std::vector<Testimony> all;
  for (const FoundFile& file : files)
    all.push_back(testify(package, file.path, folder.read(file.path, kLimit), trust));
  return all;
}

Result<std::optional<Attestation>> read_attestation(const Package& package,
                                                    std::string_view profile, const Trust* trust) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  const std::string file = file_of(profile);
  const auto text = folder.read(file, kLimit);
  if (!text && text.error().code == Code::kNotFound) return std::optional<Attestation>();
  Testimony testimony = testify(package, file, text, trust);
  if (!testimony.attestation) return fail(std::move(testimony.attestation).error());
  // Two profiles can have one file name.
  if (testimony.attestation->profile != profile) return std::optional<Attestation>();
  return std::optional(*std::move(testimony.attestation));
}

}  // namespace serin::model
