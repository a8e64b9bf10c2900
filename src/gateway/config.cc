// SPDX-License-Identifier: Apache-2.0
#include "gateway/config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/nearest.h"
#include "base/quantity.h"

namespace serin::gateway {
namespace {

constexpr std::size_t kLongestName = 253;

// The first thing that is wrong, with the path of its field.
class Errors {
 public:
  void add(const std::string& path, std::string_view what) {
    if (!first_) first_ = Error{Code::kInvalidArgument, path + ": " + std::string(what), {}, path};
  }
  Status status() const {
    if (first_) return fail(*first_);
    return {};
  }

 private:
  std::optional<Error> first_;
};

// One JSON object: what is there goes into the variables that hold the defaults.
class Object {
 public:
  Object(Errors& errors, const json::value& value, std::string path)
      : errors_(errors), fields_(value.if_object()), path_(std::move(path)) {
    if (fields_ == nullptr) errors_.add(path_, "must be an object");
  }

  const json::value* find(std::string_view name) {
    known_.push_back(name);
    return fields_ == nullptr ? nullptr : fields_->if_contains(name);
  }
  std::string at(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  void text(std::string_view name, std::string& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_string()) return errors_.add(at(name), "must be a text");
    into = value->as_string();
  }
  void flag(std::string_view name, bool& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_bool()) return errors_.add(at(name), "must be true or false");
    into = value->as_bool();
  }
  template <class Integer>
  void integer(std::string_view name, Integer& into, std::uint64_t most) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    boost::system::error_code wrong;
    const auto number = value->to_number<std::uint64_t>(wrong);
    if (wrong || number > most)
      return errors_.add(at(name), "must be an integer from 0 to " + std::to_string(most));
    into = static_cast<Integer>(number);
  }
  void number(std::string_view name, double& into, int most) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const double number = value->is_number() ? value->to_number<double>() : -1;
    if (!(number >= 0 && number <= most))
      return errors_.add(at(name), "must be a number from 0 to " + std::to_string(most));
    into = number;
  }
  void duration(std::string_view name, milliseconds& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const auto* text = value->if_string();
    if (text == nullptr) return errors_.add(at(name), "must be a duration such as 250ms or 60s");
    const auto seconds = parse_duration(*text);
    if (!seconds) return errors_.add(at(name), seconds.error().message);
    into = milliseconds(static_cast<std::int64_t>(*seconds * 1000 + 0.5));
  }
  void share(std::string_view name, double& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const auto share = parse_share(*value);
    if (!share) return errors_.add(at(name), share.error().message);
    into = *share;
  }
  template <class Choice>
  void choice(std::string_view name, Choice& into,
              std::initializer_list<std::pair<std::string_view, Choice>> choices) {
    std::string text;
    this->text(name, text);
    std::string names;
    for (const auto& [word, meaning] : choices) {
      if (text == word) {
        into = meaning;
        return;
      }
      names += (names.empty() ? "" : ", ") + std::string(word);
    }
    if (!text.empty()) errors_.add(at(name), "\"" + text + "\" must be one of " + names);
  }
  template <class Read>
  void object(std::string_view name, Read read) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    Object inner(errors_, *value, at(name));
    read(inner);
    inner.no_others();
  }
  template <class Read>
  void each(std::string_view name, Read read) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const auto* list = value->if_array();
    if (list == nullptr) return errors_.add(at(name), "must be a list");
    for (std::size_t i = 0; i < list->size(); ++i) {
      Object inner(errors_, (*list)[i], at(name) + "[" + std::to_string(i) + "]");
      read(inner);
      inner.no_others();
    }
  }
  void no_others() {
    if (fields_ == nullptr) return;
    for (const auto& field : *fields_) {
      const std::string_view name = field.key();
      if (std::ranges::find(known_, name) != known_.end()) continue;
      const std::string_view close = nearest(name, known_);
      errors_.add(at(name), "is not a field of this object" +
                                (close.empty() ? std::string()
                                               : "; did you mean " + std::string(close) + "?"));
    }
  }
  void wrong(std::string_view name, std::string_view what) { errors_.add(at(name), what); }

 private:
  Errors& errors_;
  const json::object* fields_;
  std::string path_;
  std::vector<std::string_view> known_;  // literals
};

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

void read_resilience_fields(Object& object, Resilience& into) {
  object.duration("timeout", into.timeout);
  object.duration("firstTokenTimeout", into.first_token_timeout);
  object.flag("resumeStreams", into.resume_streams);
  object.object("retries", [&](Object& retries) {
    retries.integer("attempts", into.retry_attempts, 10);
    retries.share("budget", into.retry_budget);
    retries.duration("backoff", into.retry_backoff);
  });
  object.object("connectionPool", [&](Object& pool) {
    pool.integer("maxConnections", into.max_connections, 100'000);
    pool.integer("maxPendingRequests", into.max_pending_requests, 1'000'000);
    pool.integer("maxRequestsPerConnection", into.max_requests_per_connection, 1'000'000);
  });
  object.object("circuitBreaker", [&](Object& breaker) {
    breaker.integer("consecutive5xxErrors", into.consecutive_5xx_errors, 1000);
    breaker.duration("interval", into.ejection_interval);
    breaker.duration("baseEjectionTime", into.base_ejection_time);
    breaker.integer("maxEjectionPercent", into.max_ejection_percent, 100);
  });
  using Balancer = Resilience::Balancer;
  object.choice<Balancer>("loadBalancer", into.balancer,
                          {{"leastRequest", Balancer::kLeastRequest},
                           {"prefixAware", Balancer::kPrefixAware},
                           {"roundRobin", Balancer::kRoundRobin}});
  object.object("fallback",
                [&](Object& fallback) { fallback.text("service", into.fallback_service); });
  object.object("mirror", [&](Object& mirror) {
    mirror.text("service", into.mirror_service);
    mirror.number("percent", into.mirror_percent, 100);
  });
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
}

std::string text_of(milliseconds time) { return std::to_string(time.count()) + "ms"; }

std::string_view name_of(Resilience::Balancer balancer) {
  switch (balancer) {
    case Resilience::Balancer::kLeastRequest:
      return "leastRequest";
    case Resilience::Balancer::kPrefixAware:
      return "prefixAware";
    case Resilience::Balancer::kRoundRobin:
      return "roundRobin";
  }
  return {};
}

json::object write_resilience(const Resilience& from) {
  json::object fields{
      {"timeout", text_of(from.timeout)},
      {"firstTokenTimeout", text_of(from.first_token_timeout)},
      {"resumeStreams", from.resume_streams},
      {"retries", json::object{{"attempts", from.retry_attempts},
                               {"budget", from.retry_budget},
                               {"backoff", text_of(from.retry_backoff)}}},
      {"connectionPool",
       json::object{{"maxConnections", from.max_connections},
                    {"maxPendingRequests", from.max_pending_requests},
                    {"maxRequestsPerConnection", from.max_requests_per_connection}}},
      {"circuitBreaker", json::object{{"consecutive5xxErrors", from.consecutive_5xx_errors},
                                      {"interval", text_of(from.ejection_interval)},
                                      {"baseEjectionTime", text_of(from.base_ejection_time)},
                                      {"maxEjectionPercent", from.max_ejection_percent}}},
      {"loadBalancer", name_of(from.balancer)}};
  if (!from.fallback_service.empty())
    fields["fallback"] = json::object{{"service", from.fallback_service}};
  if (!from.mirror_service.empty())
    fields["mirror"] =
        json::object{{"service", from.mirror_service}, {"percent", from.mirror_percent}};
  return fields;
}

json::object write_service(const Service& from) {
  json::array versions;
  for (const Version& version : from.versions) {
    json::array replicas;
    for (const Replica& replica : version.replicas)
      replicas.push_back(json::object{{"id", replica.id}, {"url", replica.url}});
    versions.push_back(json::object{{"label", version.label},
                                    {"package", version.package},
                                    {"bitwise", version.bitwise},
                                    {"replicas", std::move(replicas)}});
  }
  const Split& split = from.split;
  return {
      {"name", from.name},
      {"versions", std::move(versions)},
      {"split", json::object{{"stable", split.stable},
                             {"candidate", split.candidate},
                             {"weight", split.weight},
                             {"salt", split.salt},
                             {"stickyBy", split.sticky_by == StickyBy::kUser ? "user" : "request"},
                             {"userHeader", split.user_header},
                             {"shadow", split.shadow}}},
      {"resilience", write_resilience(from.resilience)}};
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

Result<Resilience> read_resilience(const json::value& fields, std::string_view path) {
  Errors errors;
  Resilience made;
  Object object(errors, fields, std::string(path));
  read_resilience_fields(object, made);
  object.no_others();
  SERIN_TRY(errors.status());
  return made;
}

std::string write_config(const Config& config) {
  json::array services;
  for (const Service& service : config.services) services.push_back(write_service(service));
  return json::serialize(
             json::object{{"revision", config.revision}, {"services", std::move(services)}}) +
         "\n";
}

}  // namespace serin::gateway
