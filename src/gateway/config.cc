// SPDX-License-Identifier: Apache-2.0
#include "gateway/config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "gateway/config_fields.h"
#include "gateway/config_parts.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kLongestName = 253;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName &&
         std::ranges::all_of(text, [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

void read_name(Object& object, std::string_view field, std::string& into) {
  object.text(field, into);
  if (!is_name(into)) object.wrong(field, "must be a name of letters, digits, '-', '_' and '.'");
}

void read_version(Object& object, Version& into) {
  read_name(object, "label", into.label);
  object.text("package", into.package);
  object.flag("bitwise", into.bitwise);
  std::set<std::string> ids;
  object.each("replicas", [&](Object& replica) {
    Replica& one = into.replicas.emplace_back();
    replica.text("id", one.id);
    if (one.id.empty()) replica.wrong("id", "must not be empty");
    if (!ids.insert(one.id).second) replica.wrong("id", "\"" + one.id + "\" is there twice");
    replica.text("url", one.url);
    replica.flag("silent", one.silent);
    const auto endpoint = endpoint_of(one);
    if (!endpoint) replica.wrong("url", endpoint.error().message);
  });
}

void read_split(Object& object, Split& into, const std::vector<Version>& versions) {
  object.text("stable", into.stable);
  object.text("candidate", into.candidate);
  object.number("weight", into.weight, 1);
  object.text("salt", into.salt);
  object.choice<StickyBy>("stickyBy", into.sticky_by,
                          {{"request", StickyBy::kRequest}, {"user", StickyBy::kUser}});
  object.text("userHeader", into.user_header);
  object.flag("shadow", into.shadow);
  const auto known = [&](const std::string& label) {
    return std::ranges::any_of(versions, [&](const Version& v) { return v.label == label; });
  };
  if (!known(into.stable))
    object.wrong("stable", "\"" + into.stable + "\" is the label of no version");
  if (!into.candidate.empty() && !known(into.candidate))
    object.wrong("candidate", "\"" + into.candidate + "\" is the label of no version");
  if (!into.candidate.empty() && into.candidate == into.stable)
    object.wrong("candidate", "must be another version than stable");
  if (into.candidate.empty() && into.weight > 0)
    object.wrong("weight", "must be 0 where there is no candidate");
}

void read_service(Object& object, Service& into) {
  read_name(object, "name", into.name);
  std::set<std::string> labels;
  object.each("versions", [&](Object& version) {
    Version& one = into.versions.emplace_back();
    read_version(version, one);
    if (!labels.insert(one.label).second)
      version.wrong("label", "\"" + one.label + "\" is there twice");
  });
  if (into.versions.empty()) object.wrong("versions", "must hold one at least");
  object.object("split", [&](Object& split) { read_split(split, into.split, into.versions); });
  if (into.split.stable.empty()) object.wrong("split", "must name the stable version");
  object.object("resilience",
                [&](Object& resilience) { read_resilience_fields(resilience, into.resilience); });
  object.object("access", [&](Object& access) { read_access_fields(access, into.access); });
  object.number("sample", into.sample, 1);
}

json::object write_service(const Service& from) {
  json::array versions;
  for (const Version& version : from.versions) {
    json::array replicas;
    for (const Replica& replica : version.replicas) {
      json::object one{{"id", replica.id}, {"url", replica.url}};
      // The release before does not know it.
      if (replica.silent) one["silent"] = true;
      replicas.push_back(std::move(one));
    }
    versions.push_back(json::object{{"label", version.label},
                                    {"package", version.package},
                                    {"bitwise", version.bitwise},
                                    {"replicas", std::move(replicas)}});
  }
  const Split& split = from.split;
  json::object written{
      {"name", from.name},
      {"versions", std::move(versions)},
      {"split", json::object{{"stable", split.stable},
                             {"candidate", split.candidate},
                             {"weight", split.weight},
                             {"salt", split.salt},
                             {"stickyBy", split.sticky_by == StickyBy::kUser ? "user" : "request"},
                             {"userHeader", split.user_header},
                             {"shadow", split.shadow}}},
      {"resilience", write_resilience(from.resilience)},
      {"access", write_access(from.access)}};
  // Nor this.
  if (from.sample > 0) written["sample"] = from.sample;
  return written;
}

}  // namespace

Result<net::Endpoint> endpoint_of(const Replica& replica) {
  // A socket's URL names no path, which is the request's.
  const bool bare = replica.url.starts_with("unix:") && replica.url.ends_with(':');
  return net::parse_url(bare ? replica.url + "/" : replica.url);
}

Result<Config> read_config(std::string_view text, std::string_view file) {
  auto value = parse_json(text);
  if (!value) return fail(std::move(value).error().within(file));
  Errors errors;
  Config config;
  Object object(errors, *value, "");
  object.integer("revision", config.revision, std::uint64_t{1} << 53);
  std::set<std::string> names;
  object.each("services", [&](Object& service) {
    Service& one = config.services.emplace_back();
    read_service(service, one);
    if (!names.insert(one.name).second)
      service.wrong("name", "\"" + one.name + "\" is there twice");
  });
  object.no_others();
  if (auto status = errors.status(); !status) return fail(std::move(status).error().within(file));
  return config;
}

std::string write_config(const Config& config) {
  json::array services;
  for (const Service& service : config.services) services.push_back(write_service(service));
  return json::serialize(
             json::object{{"revision", config.revision}, {"services", std::move(services)}}) +
         "\n";
}

}  // namespace serin::gateway
