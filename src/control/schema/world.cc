// SPDX-License-Identifier: Apache-2.0
#include "control/schema/world.h"

#include "base/check.h"
#include "base/quantity.h"
#include "control/schema/world_json.h"

namespace serin::control {
namespace {

double number(const json::value& object, std::string_view key) {
  return object.at(key).to_number<double>();
}
double share(const json::value& object, std::string_view key) {
  return *parse_share(object.at(key));
}
double seconds(const json::value& object, std::string_view key) {
  return *parse_duration(object.at(key).as_string());
}
std::uint64_t count(const json::value& object, std::string_view key) {
  return static_cast<std::uint64_t>(object.at(key).as_int64());
}

rollout::VersionModel version_of(const json::value& version) {
  rollout::VersionModel model;
  model.error_rate = share(version, "errorRate");
  model.burst = number(version, "burst");
  model.burst_by = version.at("burstBy").as_string() == "version" ? rollout::BurstBy::kVersion
                                                                  : rollout::BurstBy::kWorker;
  model.hang_rate = share(version, "hangRate");
  model.latency = seconds(version, "latency");
  model.latency_sigma = number(version, "latencySigma");
  model.quality = share(version, "quality");
  model.workers = static_cast<std::uint32_t>(version.at("workers").as_int64());
  model.cold_requests = count(version, "coldRequests");
  model.cold_factor = number(version, "coldFactor");
  return model;
}

RehearsedWorld world_of(const json::value& document) {
  RehearsedWorld made;
  rollout::World& world = made.world;
  const json::value& traffic = document.at("traffic");
  world.rate = number(traffic, "rate");
  world.daily_swing = share(traffic, "dailySwing");
  world.deadline = seconds(traffic, "deadline");
  world.history = count(traffic, "history");
  made.horizon = seconds(document, "horizon");
  world.stable = version_of(document.at("stable"));
  json::value candidate = document.at("stable");
  for (const auto& [key, value] : document.at("candidate").as_object())
    candidate.as_object()[key] = value;
  world.candidate = version_of(candidate);
  const json::value& users = document.at("users");
  world.users = count(users, "count");
  world.zipf = number(users, "zipf");
  world.bad_users = share(users, "bad");
  world.bad_user_factor = number(users, "badFactor");
  world.rated = share(users, "rated");
  const json::value& incidents = document.at("incidents");
  if (incidents.as_object().contains("every")) world.incident_every = seconds(incidents, "every");
  world.incident_length = seconds(incidents, "length");
  world.incident_rate = share(incidents, "errorRate");
  world.drift = number(document, "drift");
  for (const json::value& change : document.at("byHand").as_array())
    world.by_hand.push_back(
        {seconds(change, "at"), static_cast<int>(change.at("weight").as_int64())});
  return made;
}

// What the schema cannot say.
void check(const YamlNode& document, std::vector<Finding>& findings) {
  if (const YamlNode* traffic = document.find("traffic")) {
    const YamlNode* deadline = traffic->find("deadline");
    if (deadline != nullptr && *parse_duration(deadline->scalar) > rollout::World::kLongestDeadline)
      findings.push_back({deadline->mark, "traffic.deadline", "must be at most 1h"});
  }
  const YamlNode* by_hand = document.find("byHand");
  double last = 0;
  for (std::size_t i = 0; by_hand != nullptr && i < by_hand->items.size(); ++i) {
    const YamlNode* at = by_hand->items[i].find("at");
    const double now = *parse_duration(at->scalar);
    if (now < last)
      findings.push_back({at->mark, "byHand[" + std::to_string(i) + "].at",
                          "must not be before the one before it"});
    last = now;
  }
}

}  // namespace

const Schema& world_schema() {
  static const Schema kSchema = [] {
    auto schema = Schema::create(*parse_json(kWorldJson));
    SERIN_CHECK(schema.has_value());
    return std::move(*schema);
  }();
  return kSchema;
}

Result<RehearsedWorld> read_world(std::string_view text, std::string_view file) {
  const auto yaml = parse_yaml(text);
  if (!yaml) return invalid(std::string(file) + ":" + yaml.error().message);
  auto findings = world_schema().validate(*yaml);
  if (findings.empty()) check(*yaml, findings);
  if (!findings.empty()) return invalid(findings_text(findings, file), findings.front().path);
  SERIN_TRY_ASSIGN(const json::value written, yaml->to_json());
  return world_of(world_schema().with_defaults(written));
}

}  // namespace serin::control
