// SPDX-License-Identifier: Apache-2.0
#include "control/store.h"

#include <array>
#include <map>

#include "base/sqlite.h"

namespace serin::control {
namespace {

// Steps from an empty file; never changed, only added to. What one adds has a default, so that the
// release before can go on with the file.
constexpr std::array<std::string_view, 3> kMigrations = {R"sql(
CREATE TABLE services(
  name TEXT PRIMARY KEY, generation INTEGER NOT NULL, manifest TEXT NOT NULL,
  source TEXT NOT NULL, digest TEXT NOT NULL, root TEXT NOT NULL, attempted INTEGER NOT NULL,
  labels INTEGER NOT NULL, rollouts INTEGER NOT NULL, stable TEXT NOT NULL,
  routed INTEGER NOT NULL, deleting INTEGER NOT NULL);
CREATE TABLE versions(
  service TEXT NOT NULL REFERENCES services(name) ON DELETE CASCADE, place INTEGER NOT NULL,
  label TEXT NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL, root TEXT NOT NULL,
  since INTEGER NOT NULL, state TEXT NOT NULL, trouble TEXT NOT NULL,
  PRIMARY KEY(service, label));
CREATE TABLE rollouts(
  service TEXT NOT NULL REFERENCES services(name) ON DELETE CASCADE, number INTEGER NOT NULL,
  candidate TEXT NOT NULL, stable TEXT NOT NULL, strategy TEXT NOT NULL, undo INTEGER NOT NULL,
  manifest TEXT NOT NULL, phase TEXT NOT NULL, salt TEXT NOT NULL, weight INTEGER NOT NULL,
  began INTEGER NOT NULL, weight_since INTEGER NOT NULL, unready_since INTEGER,
  paused_by TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, ending TEXT NOT NULL,
  ended INTEGER NOT NULL, analysis TEXT NOT NULL DEFAULT '',
  evidence_next INTEGER NOT NULL DEFAULT 0, stable_crashes INTEGER NOT NULL DEFAULT 0,
  candidate_crashes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(service, number));
CREATE TABLE events(
  id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, service TEXT NOT NULL,
  version TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, warning INTEGER NOT NULL);
CREATE INDEX events_of_service ON events(service, id);
)sql",
                                                         R"sql(
CREATE TABLE subscriptions(
  service TEXT NOT NULL, target TEXT NOT NULL, spec TEXT NOT NULL, after INTEGER NOT NULL,
  until INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(service, target));
)sql",
                                                         R"sql(
ALTER TABLE rollouts ADD COLUMN agreements TEXT NOT NULL DEFAULT '';
)sql"};
constexpr int kReadable = 1;

constexpr std::string_view kRolloutColumns =
    "service, number, candidate, stable, strategy, undo, manifest, phase, salt, weight, began, "
    "weight_since, unready_since, paused_by, reason, message, ending, ended, analysis, "
    "evidence_next, stable_crashes, candidate_crashes, agreements";

std::int64_t number(Moment moment) { return moment.time_since_epoch().count(); }
std::int64_t number(std::uint64_t count) { return static_cast<std::int64_t>(count); }
std::int64_t number(bool flag) { return flag ? 1 : 0; }
Moment moment(std::int64_t number) { return Moment(std::chrono::milliseconds(number)); }
std::uint64_t count(std::int64_t number) { return static_cast<std::uint64_t>(number); }

platform::Model model_at(const SqlRow& row, int column) {
  return {.source = row.text(column),
          .digest = row.text(column + 1),
          .root = std::filesystem::path(row.text(column + 2))};
}

Result<RolloutRecord> rollout_of(const SqlRow& row) {
  RolloutRecord rollout;
  rollout.number = row.integer(1);
  rollout.candidate = row.text(2);
  rollout.stable = row.text(3);
  SERIN_TRY_ASSIGN(rollout.strategy, strategy_of(row.text(4)));
  rollout.undo = row.integer(5) != 0;
  rollout.manifest = row.text(6);
  SERIN_TRY_ASSIGN(rollout.phase, phase_of(row.text(7)));
  rollout.salt = row.text(8);
  rollout.weight = static_cast<int>(row.integer(9));
  rollout.began = moment(row.integer(10));
  rollout.weight_since = moment(row.integer(11));
  if (!row.is_null(12)) rollout.unready_since = moment(row.integer(12));
  rollout.paused_by = row.text(13);
  rollout.reason = row.text(14);
  rollout.message = row.text(15);
  SERIN_TRY_ASSIGN(rollout.ending, ending_of(row.text(16)));
  rollout.ended = moment(row.integer(17));
  rollout.analysis = row.text(18);
  rollout.evidence_next = row.text(19);
  rollout.stable_crashes = count(row.integer(20));
  rollout.candidate_crashes = count(row.integer(21));
  rollout.agreements = row.text(22);
  return rollout;
}

ServiceRecord service_of(const SqlRow& row) {
  ServiceRecord service;
  service.name = row.text(0);
  service.generation = row.integer(1);
  service.manifest = row.text(2);
  service.model = model_at(row, 3);
  service.attempted = row.integer(6);
  service.labels = row.integer(7);
  service.rollouts = row.integer(8);
  service.stable = row.text(9);
  service.routed = row.integer(10) != 0;
  service.deleting = row.integer(11) != 0;
  return service;
}

class SqliteStore final : public Store {
 public:
  SqliteStore(Database database, const StoreLimits& limits)
      : database_(std::move(database)), limits_(limits) {}

  Result<std::vector<ServiceRecord>> load() override {
    std::map<std::string, ServiceRecord> found;
    SERIN_TRY(database_.each(
        "SELECT name, generation, manifest, source, digest, root, attempted, labels, rollouts, "
        "stable, routed, deleting FROM services",
        {}, [&](const SqlRow& row) {
          found.emplace(row.text(0), service_of(row));
          return Status();
        }));
    SERIN_TRY(
        database_.each("SELECT service, label, source, digest, root, since, state, trouble FROM "
                       "versions ORDER BY service, place",
                       {}, [&](const SqlRow& row) -> Status {
                         VersionRecord version;
                         version.label = row.text(1);
                         version.model = model_at(row, 2);
                         version.since = moment(row.integer(5));
                         SERIN_TRY_ASSIGN(version.state, version_state_of(row.text(6)));
                         version.trouble = row.text(7);
                         found.at(row.text(0)).versions.push_back(std::move(version));
                         return {};
                       }));
    const std::string last = "SELECT " + std::string(kRolloutColumns) +
                             " FROM rollouts AS one WHERE number = (SELECT max(number) FROM "
                             "rollouts AS all_of WHERE all_of.service = one.service)";
    SERIN_TRY(database_.each(last, {}, [&](const SqlRow& row) -> Status {
      SERIN_TRY_ASSIGN(found.at(row.text(0)).rollout, rollout_of(row));
      return {};
    }));
    std::vector<ServiceRecord> services;
    SERIN_TRY(database_.each("SELECT service, target, spec FROM subscriptions WHERE until = 0", {},
                             [&](const SqlRow& row) {
                               const auto service = found.find(row.text(0));
                               if (service != found.end())
                                 service->second.targets[row.text(1)] = row.text(2);
                               return Status();
                             }));
    services.reserve(found.size());
    for (auto& [name, service] : found) services.push_back(std::move(service));
    return services;
  }

  Status commit(const ServiceRecord& service, std::span<const Event> events) override {
    return database_.transaction([&]() -> Status {
      SERIN_TRY(put_service(service));
      SERIN_TRY(put_versions(service));
      if (service.rollout) SERIN_TRY(put_rollout(service.name, *service.rollout));
      SERIN_TRY(put_targets(service));
      SERIN_TRY(put_events(events));
      return end_subscriptions(service.name);
    });
  }

  Status erase(std::string_view service, std::span<const Event> events) override {
    return database_.transaction([&]() -> Status {
      SERIN_TRY(database_.run("DELETE FROM services WHERE name = ?1", {std::string(service)}));
      SERIN_TRY(release_targets(std::string(service)));
      SERIN_TRY(put_events(events));
      return end_subscriptions(std::string(service));
    });
  }

  Status save_evidence(std::string_view service, const RolloutRecord& rollout) override {
    return database_.run(
        "UPDATE rollouts SET analysis = ?3, evidence_next = ?4, stable_crashes = ?5, "
        "candidate_crashes = ?6, agreements = ?7 WHERE service = ?1 AND number = ?2",
        {std::string(service), rollout.number, rollout.analysis, rollout.evidence_next,
         number(rollout.stable_crashes), number(rollout.candidate_crashes), rollout.agreements});
  }

  Result<std::vector<Event>> events(const EventQuery& query) override;
  Result<std::vector<RolloutRecord>> history(std::string_view service, std::size_t most) override;
  Result<std::vector<Subscription>> subscriptions() override;
  Result<std::vector<Event>> pending(const Subscription& subscription, std::size_t most) override;
  Status advance(const Subscription& subscription, std::span<const Event> events) override;

 private:
  Status put_service(const ServiceRecord& service) {
    return database_.run(
        "INSERT INTO services VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12) "
        "ON CONFLICT(name) DO UPDATE SET generation=?2, manifest=?3, source=?4, digest=?5, "
        "root=?6, attempted=?7, labels=?8, rollouts=?9, stable=?10, routed=?11, deleting=?12",
        {service.name, service.generation, service.manifest, service.model.source,
         service.model.digest, service.model.root.string(), service.attempted, service.labels,
         service.rollouts, service.stable, number(service.routed), number(service.deleting)});
  }

  Status put_versions(const ServiceRecord& service) {
    SERIN_TRY(database_.run("DELETE FROM versions WHERE service = ?1", {service.name}));
    std::int64_t place = 0;
    for (const VersionRecord& version : service.versions) {
      SERIN_TRY(
          database_.run("INSERT INTO versions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                        {service.name, place++, version.label, version.model.source,
                         version.model.digest, version.model.root.string(), number(version.since),
                         std::string(name_of(version.state)), version.trouble}));
    }
    return {};
  }

  Status put_rollout(const std::string& service, const RolloutRecord& rollout) {
    static const std::string kPut =
        "INSERT OR REPLACE INTO rollouts(" + std::string(kRolloutColumns) +
        ") VALUES "
        "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23)";
    const SqlValue unready =
        rollout.unready_since ? SqlValue(number(*rollout.unready_since)) : SqlValue();
    SERIN_TRY(database_.run(kPut, {service,
                                   rollout.number,
                                   rollout.candidate,
                                   rollout.stable,
                                   std::string(name_of(rollout.strategy)),
                                   number(rollout.undo),
                                   rollout.manifest,
                                   std::string(name_of(rollout.phase)),
                                   rollout.salt,
                                   std::int64_t{rollout.weight},
                                   number(rollout.began),
                                   number(rollout.weight_since),
                                   unready,
                                   rollout.paused_by,
                                   rollout.reason,
                                   rollout.message,
                                   std::string(name_of(rollout.ending)),
                                   number(rollout.ended),
                                   rollout.analysis,
                                   rollout.evidence_next,
                                   number(rollout.stable_crashes),
                                   number(rollout.candidate_crashes),
                                   rollout.agreements}));
    return database_.run(
        "DELETE FROM rollouts WHERE service = ?1 AND number <= ?2",
        {service, rollout.number - static_cast<std::int64_t>(limits_.rollouts_of_service)});
  }

  // Before the events of the same commit, which a new target is told of; end_subscriptions() after
  // them, which one that goes is still told of.
  Status put_targets(const ServiceRecord& service) {
    SERIN_TRY(release_targets(service.name));
    for (const auto& [name, spec] : service.targets) {
      SERIN_TRY(database_.run(
          "INSERT INTO subscriptions(service, target, spec, after) VALUES (?1, ?2, ?3, "
          "(SELECT coalesce(max(id), 0) FROM events)) ON CONFLICT(service, target) DO UPDATE SET "
          "spec = ?3, until = 0",
          {service.name, name, spec}));
    }
    return {};
  }
  Status release_targets(const std::string& service) {
    return database_.run("UPDATE subscriptions SET until = -1 WHERE service = ?1 AND until = 0",
                         {service});
  }
  Status end_subscriptions(const std::string& service) {
    return database_.run(
        "UPDATE subscriptions SET until = (SELECT coalesce(max(id), 1) FROM events) "
        "WHERE service = ?1 AND until = -1",
        {service});
  }

  Status put_events(std::span<const Event> events) {
    if (events.empty()) return {};
    for (const Event& event : events) {
      SERIN_TRY(database_.run(
          "INSERT INTO events(time, service, version, reason, message, warning) VALUES "
          "(?1,?2,?3,?4,?5,?6)",
          {number(event.time), event.service, event.version, event.reason, event.message,
           number(event.warning)}));
    }
    constexpr std::string_view kForgotten = "(SELECT max(id) FROM events) - ?1";
    static const std::string kCount =
        "UPDATE subscriptions SET lost = lost + (SELECT count(*) FROM events WHERE "
        "events.service = subscriptions.service AND id > after AND id <= " +
        std::string(kForgotten) + ")";
    static const std::string kForget = "DELETE FROM events WHERE id <= " + std::string(kForgotten);
    const auto kept = static_cast<std::int64_t>(limits_.events);
    SERIN_TRY(database_.run(kCount, {kept}));
    return database_.run(kForget, {kept});
  }

  Database database_;
  StoreLimits limits_;
};

Event event_at(const SqlRow& row) {
  return {.id = row.integer(0),
          .time = moment(row.integer(1)),
          .service = row.text(2),
          .version = row.text(3),
          .reason = row.text(4),
          .message = row.text(5),
          .warning = row.integer(6) != 0};
}

Result<std::vector<Event>> SqliteStore::events(const EventQuery& query) {
  constexpr std::string_view kFirst =
      "SELECT id, time, service, version, reason, message, warning FROM events WHERE id > ?1 AND "
      "(?2 = '' OR service = ?2) ORDER BY id LIMIT ?3";
  constexpr std::string_view kLast =
      "SELECT * FROM (SELECT id, time, service, version, reason, message, warning FROM events "
      "WHERE id > ?1 AND (?2 = '' OR service = ?2) ORDER BY id DESC LIMIT ?3) ORDER BY id";
  std::vector<Event> found;
  SERIN_TRY(database_.each(query.after == 0 ? kLast : kFirst,
                           {query.after, query.service, static_cast<std::int64_t>(query.most)},
                           [&](const SqlRow& row) {
                             found.push_back(event_at(row));
                             return Status();
                           }));
  return found;
}

Result<std::vector<RolloutRecord>> SqliteStore::history(std::string_view service,
                                                        std::size_t most) {
  static const std::string kHistory =
      "SELECT " + std::string(kRolloutColumns) +
      " FROM rollouts WHERE service = ?1 ORDER BY number DESC LIMIT ?2";
  std::vector<RolloutRecord> found;
  SERIN_TRY(database_.each(kHistory, {std::string(service), static_cast<std::int64_t>(most)},
                           [&](const SqlRow& row) -> Status {
                             SERIN_TRY_ASSIGN(RolloutRecord rollout, rollout_of(row));
                             rollout.analysis.clear();
                             found.push_back(std::move(rollout));
                             return {};
                           }));
  return found;
}

Result<std::vector<Subscription>> SqliteStore::subscriptions() {
  std::vector<Subscription> found;
  SERIN_TRY(database_.each("SELECT service, target, spec, after, until, lost FROM subscriptions",
                           {}, [&](const SqlRow& row) {
                             found.push_back({.service = row.text(0),
                                              .target = row.text(1),
                                              .spec = row.text(2),
                                              .after = row.integer(3),
                                              .until = row.integer(4),
                                              .lost = row.integer(5)});
                             return Status();
                           }));
  return found;
}

Result<std::vector<Event>> SqliteStore::pending(const Subscription& subscription,
                                                std::size_t most) {
  std::vector<Event> found;
  SERIN_TRY(database_.each(
      "SELECT id, time, service, version, reason, message, warning FROM events WHERE service = ?1 "
      "AND id > ?2 AND (?3 = 0 OR id <= ?3) ORDER BY id LIMIT ?4",
      {subscription.service, subscription.after, subscription.until,
       static_cast<std::int64_t>(most)},
      [&](const SqlRow& row) {
        found.push_back(event_at(row));
        return Status();
      }));
  return found;
}

Status SqliteStore::advance(const Subscription& subscription, std::span<const Event> events) {
  return database_.transaction([&]() -> Status {
    SERIN_TRY(database_.run(
        "UPDATE subscriptions SET after = ?3, lost = lost - ?4 WHERE service = ?1 AND target = ?2",
        {subscription.service, subscription.target, subscription.after, subscription.lost}));
    SERIN_TRY(database_.run("DELETE FROM subscriptions WHERE until > 0 AND after >= until"));
    return put_events(events);
  });
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(const std::filesystem::path& file,
                                          const StoreLimits& limits) {
  SERIN_TRY_ASSIGN(Database database, Database::open(file, kMigrations, kReadable));
  return std::unique_ptr<Store>(std::make_unique<SqliteStore>(std::move(database), limits));
}

}  // namespace serin::control
