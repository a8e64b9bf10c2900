// SPDX-License-Identifier: Apache-2.0
#include "control/schema/manifest.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/check.h"
#include "base/issuer.h"
#include "base/named.h"
#include "base/quantity.h"
#include "control/schema/generative_service_json.h"
#include "control/schema/kubernetes_fields.h"

namespace serin::control {
namespace {

using rollout::MetricKind;

constexpr std::pair<std::string_view, MetricKind> kMetrics[] = {
    {"errorRate", MetricKind::kErrorRate},
    {"latency", MetricKind::kLatency},
    {"timeToFirstToken", MetricKind::kTimeToFirstToken},
    {"timePerOutputToken", MetricKind::kTimePerOutputToken},
    {"quality", MetricKind::kScore},
    {"crashes", MetricKind::kCrashes}};
constexpr std::pair<std::string_view, Strategy> kStrategies[] = {
    {"canary", Strategy::kCanary},
    {"blueGreen", Strategy::kBlueGreen},
    {"shadow", Strategy::kShadow},
    {"recreate", Strategy::kRecreate}};
constexpr std::pair<std::string_view, rollout::HoldPolicy> kHoldPolicies[] = {
    {"pause", rollout::HoldPolicy::kPause},
    {"rollBack", rollout::HoldPolicy::kRollBack},
    {"promote", rollout::HoldPolicy::kPromote}};

rollout::Seconds duration(const json::value& value) {
  return rollout::Seconds(*parse_duration(value.as_string()));
}

const ScorerSpec* scorer_named(const std::vector<ScorerSpec>& scorers, std::string_view name) {
  const auto found = std::ranges::find(scorers, name, &ScorerSpec::name);
  return found == scorers.end() ? nullptr : &*found;
}

ScorerSpec scorer_of(const json::value& scorer) {
  ScorerSpec spec;
  spec.name = std::string(scorer.at("name").as_string());
  if (const auto* command = scorer.as_object().if_contains("command")) {
    for (const json::value& word : command->as_array()) spec.command.emplace_back(word.as_string());
  }
  if (const auto* url = scorer.as_object().if_contains("url")) spec.url = url->as_string();
  if (const auto* service = scorer.as_object().if_contains("service"))
    spec.service = service->as_string();
  spec.sample = *parse_share(scorer.at("sample"));
  spec.timeout = duration(scorer.at("timeout"));
  return spec;
}

rollout::MetricSpec metric_of(const json::value& metric, const std::vector<ScorerSpec>& scorers) {
  rollout::MetricSpec spec;
  spec.name = std::string(metric.at("name").as_string());
  spec.kind = named(kMetrics, metric.at("name").as_string());
  if (spec.kind == MetricKind::kScore) {
    const std::string scorer(metric.at("scorer").as_string());
    if (scorer == kFeedback) spec.kind = MetricKind::kRating;
    if (scorer_named(scorers, scorer) != nullptr) spec.kind = MetricKind::kLateScore;
    if (spec.kind != MetricKind::kScore) spec.name += " (" + scorer + ")";
  }
  spec.quantile = metric.at("quantile").to_number<double>();
  if (const auto* margin = metric.as_object().if_contains("margin"))
    spec.margin = *parse_share(*margin);
  const bool none = spec.kind == MetricKind::kErrorRate || spec.kind == MetricKind::kCrashes;
  spec.harm_margin = none ? 0 : spec.margin / 2;
  if (const auto* harm = metric.as_object().if_contains("harmMargin"))
    spec.harm_margin = *parse_share(*harm);
  return spec;
}

RolloutSpec rollout_of(const json::value& document) {
  RolloutSpec spec;
  spec.strategy = named(kStrategies, document.at("strategy").as_string());
  spec.canary.initial_weight = static_cast<int>(document.at("initialWeight").as_int64());
  spec.canary.step_weight = static_cast<int>(document.at("stepWeight").as_int64());
  spec.canary.interval = duration(document.at("interval"));
  spec.canary.hold_limit = duration(document.at("holdLimit"));
  spec.canary.on_hold_limit = named(kHoldPolicies, document.at("onHoldLimit").as_string());
  spec.canary.dry_run = document.at("dryRun").as_bool();
  spec.progress_deadline = duration(document.at("progressDeadline"));
  spec.undo_window = duration(document.at("undoWindow"));
  spec.sticky_by =
      document.at("stickyBy").as_string() == "user" ? StickyBy::kUser : StickyBy::kRequest;
  if (const auto* header = document.as_object().if_contains("userHeader"))
    spec.user_header = std::string(header->as_string());
  const json::value& analysis = document.at("analysis");
  spec.analysis.false_rollback = analysis.at("falseRollback").to_number<double>();
  spec.analysis.false_promotion = analysis.at("falsePromotion").to_number<double>();
  spec.analysis.warmup_requests =
      static_cast<std::uint64_t>(analysis.at("warmupRequests").as_int64());
  std::vector<ScorerSpec> scorers;
  for (const json::value& scorer : analysis.at("scorers").as_array())
    scorers.push_back(scorer_of(scorer));
  for (const json::value& metric : analysis.at("metrics").as_array()) {
    spec.analysis.metrics.push_back(metric_of(metric, scorers));
    const MetricKind kind = spec.analysis.metrics.back().kind;
    if (kind == MetricKind::kScore) spec.scorers.emplace_back(metric.at("scorer").as_string());
    if (kind == MetricKind::kLateScore)
      spec.own_scorers.push_back(*scorer_named(scorers, metric.at("scorer").as_string()));
  }
  return spec;
}

// Of a document that was checked.
platform::Resources resources_of(const json::value& document) {
  platform::Resources resources;
  if (const auto* cpu = document.as_object().if_contains("cpu"))
    resources.cpus = *parse_cpus(cpu->as_string());
  if (const auto* memory = document.as_object().if_contains("memory"))
    resources.memory_bytes = *parse_bytes(memory->as_string());
  resources.gpus = static_cast<int>(document.at("gpu").as_int64());
  return resources;
}

// A number and what follows it.
struct Quantity {
  double number = 0;
  std::string_view unit;
};
std::optional<Quantity> quantity_of(std::string_view text) {
  Quantity quantity;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number,
                                            std::chars_format::fixed);
  if (error != std::errc() || !(quantity.number >= 0)) return std::nullopt;
  quantity.unit = text.substr(static_cast<std::size_t>(end - text.data()));
  return quantity;
}

// The node at a path of keys; null where there is none.
const YamlNode* at(const YamlNode& document, std::initializer_list<std::string_view> keys) {
  const YamlNode* node = &document;
  for (const std::string_view key : keys) {
    if (node != nullptr) node = node->find(key);
  }
  return node;
}

// What each metric says must go together; the schema cannot say it.
void check_metrics(const YamlNode& metrics, std::vector<Finding>& findings) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < metrics.items.size(); ++i) {
    const YamlNode& node = metrics.items[i];
    const std::string path = "spec.rollout.analysis.metrics[" + std::to_string(i) + "]";
    const std::string& name = node.find("name")->scalar;
    const YamlNode* scorer = node.find("scorer");
    const YamlNode* margin = node.find("margin");
    const YamlNode* harm = node.find("harmMargin");
    if (!seen.insert(scorer == nullptr ? name : name + " " + scorer->scalar).second)
      findings.push_back({node.mark, path, name + " is there twice"});
    if (name == "crashes") {
      if (margin != nullptr)
        findings.push_back({margin->mark, path + ".margin",
                            "crashes have none: nobody promises how seldom workers crash"});
    } else if (margin == nullptr) {
      findings.push_back({node.mark, path, "margin is missing"});
    } else if (harm != nullptr &&
               *parse_share(*harm->to_json()) > *parse_share(*margin->to_json())) {
      findings.push_back({harm->mark, path + ".harmMargin",
                          "must be at most margin: what is worse than margin is harm"});
    }
    if (scorer != nullptr && name != "quality")
      findings.push_back({scorer->mark, path + ".scorer", "only quality has a scorer"});
  }
}

// What scores is one of three, and not the service whose answers it scores.
void check_who_scores(const YamlNode& scorer, std::string_view self, const std::string& path,
                      std::vector<Finding>& findings) {
  std::string named;
  for (const char* field : {"command", "url", "service"}) {
    if (scorer.find(field) == nullptr) continue;
    if (!named.empty())
      return findings.push_back(
          {scorer.mark, path, "has both " + named + " and " + field + ": one of them"});
    named = field;
  }
  if (named.empty())
    findings.push_back({scorer.mark, path, "needs command, url or service: what scores"});
  const YamlNode* service = scorer.find("service");
  if (service != nullptr && service->scalar == self)
    findings.push_back({service->mark, path + ".service", "is this service itself"});
}

// What the schema cannot say of the user's scorers. A metric has to use each.
void check_scorers(const YamlNode& scorers, const YamlNode* metrics, std::string_view self,
                   std::vector<Finding>& findings) {
  std::set<std::string> seen{std::string(kWellFormed), std::string(kFeedback)};
  for (std::size_t i = 0; i < scorers.items.size(); ++i) {
    const YamlNode& node = scorers.items[i];
    const std::string path = "spec.rollout.analysis.scorers[" + std::to_string(i) + "]";
    const std::string& name = node.find("name")->scalar;
    check_who_scores(node, self, path, findings);
    if (!seen.insert(name).second)
      findings.push_back({node.mark, path + ".name", name + " is there twice"});
    const auto uses = [&](const YamlNode& metric) {
      const YamlNode* scorer = metric.find("scorer");
      return scorer != nullptr && scorer->scalar == name;
    };
    if (metrics == nullptr || std::ranges::none_of(metrics->items, uses))
      findings.push_back({node.mark, path, "no metric has the scorer " + name});
  }
}

// Of the metrics of a shadow rollout: users, and scorers of theirs, score what users got.
void check_ratings(const YamlNode& metrics, const YamlNode* scorers,
                   std::vector<Finding>& findings) {
  std::set<std::string> late{std::string(kFeedback)};
  if (scorers != nullptr)
    for (const YamlNode& scorer : scorers->items) late.insert(scorer.find("name")->scalar);
  for (std::size_t i = 0; i < metrics.items.size(); ++i) {
    const YamlNode* scorer = metrics.items[i].find("scorer");
    if (scorer == nullptr || !late.contains(scorer->scalar)) continue;
    findings.push_back({scorer->mark,
                        "spec.rollout.analysis.metrics[" + std::to_string(i) + "].scorer",
                        "cannot be decided with strategy shadow: nobody gets the candidate's "
                        "answers, so nobody scores them"});
  }
}

// What of a service's access the schema cannot say.
void check_access(const YamlNode& rules, std::vector<Finding>& findings) {
  for (std::size_t i = 0; i < rules.items.size(); ++i) {
    const YamlNode& rule = rules.items[i];
    const bool uri = rule.find("jwksUri") != nullptr, file = rule.find("jwksFile") != nullptr;
    if (uri != file || (!uri && says_its_keys(rule.find("issuer")->scalar))) continue;
    findings.push_back({rule.mark, "spec.access.jwtRules[" + std::to_string(i) + "]",
                        uri ? "has both jwksUri and jwksFile: one of them"
                            : "needs jwksUri or jwksFile: where the issuer's keys are, which an "
                              "issuer that is no https:// URL cannot say itself"});
  }
}

// Somebody who is to be told is either an address, with a secret, or a command.
void check_notifications(const YamlNode& targets, std::vector<Finding>& findings) {
  std::set<std::string> seen;
  for (std::size_t i = 0; i < targets.items.size(); ++i) {
    const YamlNode& target = targets.items[i];
    const std::string path = "spec.notifications[" + std::to_string(i) + "]";
    const YamlNode* secret = target.find("secretFile");
    const bool url = target.find("url") != nullptr;
    if (!seen.insert(target.find("name")->scalar).second)
      findings.push_back({target.mark, path + ".name", "another one has this name"});
    for (const auto& [field, most] :
         {std::pair{"timeout", 60.0}, std::pair{"retryFor", 604800.0}}) {
      const YamlNode* given = target.find(field);
      if (given != nullptr && *parse_duration(given->scalar) > most)
        findings.push_back({given->mark, path + "." + field, "is longer than may be"});
    }
    if (url == (target.find("command") != nullptr)) {
      findings.push_back({target.mark, path, "needs url or command, and not both"});
    } else if (url && secret == nullptr) {
      findings.push_back({target.mark, path + ".secretFile", "is missing: it signs what is sent"});
    } else if (!url && secret != nullptr) {
      findings.push_back({secret->mark, path + ".secretFile", "a command needs none"});
    }
  }
}

// The limit finds its way between its bounds.
void check_adaptive(const YamlNode& limits, std::vector<Finding>& findings) {
  const auto value = [&](std::string_view name, double otherwise) {
    const YamlNode* node = limits.find(name);
    return node == nullptr ? otherwise : node->to_json()->to_number<double>();
  };
  if (value("minLimit", 20) > value("maxLimit", 200))
    findings.push_back(
        {limits.mark, "spec.resilience.adaptiveConcurrency", "minLimit must be at most maxLimit"});
}

std::vector<Finding> contradictions(const YamlNode& document) {
  std::vector<Finding> findings;
  const YamlNode* least = at(document, {"spec", "replicas", "min"});
  const YamlNode* most = at(document, {"spec", "replicas", "max"});
  if (least != nullptr && most != nullptr &&
      least->to_json()->to_number<double>() > most->to_json()->to_number<double>()) {
    findings.push_back(
        {most->mark, "spec.replicas.max", "must be at least spec.replicas.min, " + least->scalar});
  }
  for (const std::string_view name : {"cpu", "memory"}) {
    const YamlNode* quantity = at(document, {"spec", "resources", name});
    if (quantity == nullptr) continue;
    const Status read = name == "cpu" ? parse_cpus(quantity->scalar).map([](auto) {})
                                      : parse_bytes(quantity->scalar).map([](auto) {});
    if (!read)
      findings.push_back(
          {quantity->mark, "spec.resources." + std::string(name), read.error().message});
  }
  if (const YamlNode* header = at(document, {"spec", "rollout", "userHeader"})) {
    const YamlNode* sticky = at(document, {"spec", "rollout", "stickyBy"});
    if (sticky == nullptr || sticky->scalar != "user")
      findings.push_back(
          {header->mark, "spec.rollout.userHeader", "means something only with stickyBy: user"});
  }
  const YamlNode* name = at(document, {"metadata", "name"});
  for (const std::string_view other : {"fallback", "mirror"}) {
    const YamlNode* service = at(document, {"spec", "resilience", other, "service"});
    if (service != nullptr && service->scalar == name->scalar)
      findings.push_back({service->mark, "spec.resilience." + std::string(other) + ".service",
                          "is this service itself"});
  }
  if (const YamlNode* rules = at(document, {"spec", "access", "jwtRules"}))
    check_access(*rules, findings);
  if (const YamlNode* limits = at(document, {"spec", "resilience", "adaptiveConcurrency"}))
    check_adaptive(*limits, findings);
  if (const YamlNode* targets = at(document, {"spec", "notifications"}))
    check_notifications(*targets, findings);
  if (const YamlNode* fields = at(document, {"spec", "kubernetes"}))
    check_kubernetes(*fields, findings);
  const YamlNode* metrics = at(document, {"spec", "rollout", "analysis", "metrics"});
  if (metrics != nullptr) check_metrics(*metrics, findings);
  if (const YamlNode* scorers = at(document, {"spec", "rollout", "analysis", "scorers"}))
    check_scorers(*scorers, metrics, name->scalar, findings);
  const YamlNode* strategy = at(document, {"spec", "rollout", "strategy"});
  if (metrics != nullptr && strategy != nullptr && strategy->scalar == "shadow")
    check_ratings(*metrics, at(document, {"spec", "rollout", "analysis", "scorers"}), findings);
  return findings;
}

}  // namespace

std::string_view name_of(Strategy strategy) { return name_in(kStrategies, strategy); }

Result<Strategy> strategy_of(std::string_view name) {
  if (const Strategy* found = find_named(kStrategies, name)) return *found;
  return invalid("there is no strategy \"" + std::string(name) + "\"");
}

bool goes_by_evidence(Strategy strategy) {
  return strategy == Strategy::kCanary || strategy == Strategy::kShadow;
}

Result<double> parse_cpus(std::string_view text) {
  constexpr double kMost = 4096;
  const auto quantity = quantity_of(text);
  const bool milli = quantity && quantity->unit == "m";
  if (!quantity || !(milli || quantity->unit.empty()))
    return invalid("\"" + std::string(text) +
                   "\" is no number of processors; write 2, 0.5 or 500m");
  const double cpus = milli ? quantity->number / 1000 : quantity->number;
  if (cpus <= 0 || cpus > kMost) return invalid("must be more than 0 and at most 4096 processors");
  return cpus;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},        {"k", 1e3},        {"M", 1e6},     {"G", 1e9},    {"T", 1e12},
      {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 0x1p30}, {"Ti", 0x1p40}};
  constexpr double kMost = 0x1p50;
  const auto quantity = quantity_of(text);
  const double* unit = quantity ? find_named(kUnits, quantity->unit) : nullptr;
  if (unit == nullptr)
    return invalid("\"" + std::string(text) + "\" is no number of bytes; write 512Mi or 4Gi");
  const double bytes = std::ceil(quantity->number * *unit);
  if (bytes < 1 || bytes > kMost) return invalid("must be at least one byte and at most 1024Ti");
  return static_cast<std::uint64_t>(bytes);
}

const Schema& manifest_schema() {
  static const Schema kSchema = [] {
    auto schema = Schema::create(*parse_json(kGenerativeServiceJson));
    SERIN_CHECK(schema.has_value());
    return std::move(*schema);
  }();
  return kSchema;
}

std::vector<Finding> check_manifest(const YamlNode& document) {
  auto findings = manifest_schema().validate(document);
  return findings.empty() ? contradictions(document) : findings;
}

Result<Manifest> read_manifest(std::string_view text, std::string_view file) {
  const auto yaml = parse_yaml(text);
  if (!yaml) return invalid(std::string(file) + ":" + yaml.error().message);
  if (const auto findings = check_manifest(*yaml); !findings.empty())
    return invalid(findings_text(findings, file), findings.front().path);
  Manifest manifest;
  SERIN_TRY_ASSIGN(manifest.written, yaml->to_json());
  manifest.document = manifest_schema().with_defaults(manifest.written);
  const json::value& spec = manifest.document.at("spec");
  manifest.name = std::string(manifest.document.at("metadata").at("name").as_string());
  manifest.name_space = std::string(manifest.document.at("metadata").at("namespace").as_string());
  manifest.model = std::string(spec.at("model").as_string());
  const json::value& replicas = spec.at("replicas");
  manifest.min_replicas = replicas.at("min").as_int64();
  const auto* most = replicas.as_object().if_contains("max");
  manifest.max_replicas =
      most == nullptr ? std::max<std::int64_t>(1, manifest.min_replicas) : most->as_int64();
  manifest.resources = resources_of(spec.at("resources"));
  manifest.rollout = rollout_of(spec.at("rollout"));
  manifest.rollout.analysis.deadline = duration(spec.at("resilience").at("timeout")).count();
  return manifest;
}

}  // namespace serin::control
