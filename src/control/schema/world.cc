// SPDX-License-Identifier: Apache-2.0
#include "control/schema/world.h"

#include <algorithm>
#include <cmath>
#include <set>

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

using Names = std::vector<std::string>;

// The version's scorer of that name; it has one.
json::object& scorer_of(json::value& version, std::string_view name) {
  json::array& scorers = version.at("scorers").as_array();
  auto* found = std::ranges::find(scorers, name, [](const json::value& scorer) {
    return std::string_view(scorer.at("name").as_string());
  });
  SERIN_CHECK(found != scorers.end());
  return found->as_object();
}

// What the candidate says in place of the stable version's.
void replace(json::value& version, const json::object& candidate) {
  for (const auto& [key, value] : candidate) {
    if (key != "scorers") {
      version.as_object()[key] = value;
      continue;
    }
    for (const json::value& scorer : value.as_array())
      for (const auto& [field, said] : scorer.as_object())
        scorer_of(version, scorer.at("name").as_string())[field] = said;
  }
}

rollout::ScorerModel scorer_model(const json::value& scorer) {
  rollout::ScorerModel model{.mean = share(scorer, "mean")};
  if (scorer.as_object().contains("deviation")) model.deviation = number(scorer, "deviation");
  return model;
}

rollout::VersionModel version_of(json::value version, const Names& scorers) {
  rollout::VersionModel model;
  model.error_rate = share(version, "errorRate");
  model.burst = number(version, "burst");
  model.burst_by = version.at("burstBy").as_string() == "version" ? rollout::BurstBy::kVersion
                                                                  : rollout::BurstBy::kWorker;
  model.hang_rate = share(version, "hangRate");
  model.latency = seconds(version, "latency");
  model.latency_sigma = number(version, "latencySigma");
  model.quality = share(version, "quality");
  for (const std::string& name : scorers)
    model.scorers.push_back(scorer_model(scorer_of(version, name)));
  model.workers = static_cast<std::uint32_t>(version.at("workers").as_int64());
  model.cold_requests = count(version, "coldRequests");
  model.cold_factor = number(version, "coldFactor");
  return model;
}

RehearsedWorld world_of(const json::value& document, const Names& scorers) {
  RehearsedWorld made;
  rollout::World& world = made.world;
  const json::value& traffic = document.at("traffic");
  world.rate = number(traffic, "rate");
  world.daily_swing = share(traffic, "dailySwing");
  world.deadline = seconds(traffic, "deadline");
  world.history = count(traffic, "history");
  made.horizon = seconds(document, "horizon");
  world.stable = version_of(document.at("stable"), scorers);
  json::value candidate = document.at("stable");
  replace(candidate, document.at("candidate").as_object());
  world.candidate = version_of(std::move(candidate), scorers);
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

const YamlNode* scorer_of(const YamlNode* version, std::string_view name) {
  const YamlNode* scorers = version == nullptr ? nullptr : version->find("scorers");
  if (scorers == nullptr) return nullptr;
  const auto found = std::ranges::find(
      scorers->items, name, [](const YamlNode& scorer) { return scorer.find("name")->scalar; });
  return found == scorers->items.end() ? nullptr : &*found;
}

// That numbers from 0 to 1 of this mean can be as wide. What `scorer` does not say, `stable` does.
void check_width(const YamlNode& scorer, const YamlNode& stable, const std::string& path,
                 std::vector<Finding>& findings) {
  const auto said = [&](std::string_view field) {
    const YamlNode* own = scorer.find(field);
    return own == nullptr ? stable.find(field) : own;
  };
  const YamlNode* deviation = said("deviation");
  if (deviation == nullptr) return;
  const double mean = *parse_share(*said("mean")->to_json());
  const double widest = std::sqrt(mean * (1 - mean));
  if (deviation->to_json()->to_number<double>() <= widest + 1e-9) return;
  findings.push_back({scorer.mark, path,
                      "a deviation of " + deviation->scalar + " is more than scores of mean " +
                          said("mean")->scalar + " can have, " + std::to_string(widest)});
}

// That a version's scorers are the manifest's, once each.
void check_scorers(const YamlNode& document, std::string_view version, const Names& names,
                   std::vector<Finding>& findings) {
  const YamlNode* scorers =
      document.find(version) == nullptr ? nullptr : document.find(version)->find("scorers");
  std::set<std::string> seen;
  for (std::size_t i = 0; scorers != nullptr && i < scorers->items.size(); ++i) {
    const YamlNode& scorer = scorers->items[i];
    const std::string path = std::string(version) + ".scorers[" + std::to_string(i) + "]";
    const std::string& name = scorer.find("name")->scalar;
    if (!seen.insert(name).second)
      findings.push_back({scorer.mark, path + ".name", name + " is there twice"});
    if (std::ranges::find(names, name) == names.end())
      findings.push_back({scorer.find("name")->mark, path + ".name",
                          "no metric of the manifest has the scorer " + name});
    if (const YamlNode* stable = scorer_of(document.find("stable"), name))
      check_width(scorer, *stable, path, findings);
  }
}

// That the stable version has every one; the candidate's are as those.
void check_all_scorers(const YamlNode& document, const Names& names,
                       std::vector<Finding>& findings) {
  const YamlNode* stable = document.find("stable");
  for (const std::string& name : names) {
    if (scorer_of(stable, name) == nullptr)
      findings.push_back({stable == nullptr ? document.mark : stable->mark, "stable.scorers",
                          name + " is missing, a scorer of the manifest"});
  }
  for (const std::string_view version : {"stable", "candidate"})
    check_scorers(document, version, names, findings);
}

// What the schema cannot say.
void check(const YamlNode& document, const Names& scorers, std::vector<Finding>& findings) {
  check_all_scorers(document, scorers, findings);
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

Result<RehearsedWorld> read_world(std::string_view text, std::string_view file,
                                  const std::vector<std::string>& scorers) {
  const auto yaml = parse_yaml(text);
  if (!yaml) return invalid(std::string(file) + ":" + yaml.error().message);
  auto findings = world_schema().validate(*yaml);
  if (findings.empty()) check(*yaml, scorers, findings);
  if (!findings.empty()) return invalid(findings_text(findings, file), findings.front().path);
  SERIN_TRY_ASSIGN(const json::value written, yaml->to_json());
  return world_of(world_schema().with_defaults(written), scorers);
}

}  // namespace serin::control
