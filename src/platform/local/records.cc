// SPDX-License-Identifier: Apache-2.0
#include "platform/local/records.h"

#include <array>

#include "base/json.h"

namespace serin::platform::local {
namespace {

constexpr std::array<std::string_view, 1> kMigrations = {R"sql(
CREATE TABLE versions(
  service TEXT NOT NULL, label TEXT NOT NULL, source TEXT NOT NULL, digest TEXT NOT NULL,
  root TEXT NOT NULL, replicas INTEGER NOT NULL, cpus REAL NOT NULL, memory INTEGER NOT NULL,
  gpus INTEGER NOT NULL, remote INTEGER NOT NULL, removed INTEGER NOT NULL,
  crashes INTEGER NOT NULL, PRIMARY KEY(service, label));
CREATE TABLE replicas(
  serial INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, label TEXT NOT NULL,
  generation TEXT NOT NULL, cpus REAL NOT NULL, memory INTEGER NOT NULL, gpus TEXT NOT NULL,
  pid INTEGER NOT NULL, started INTEGER NOT NULL, boot TEXT NOT NULL, ready INTEGER NOT NULL,
  profile TEXT NOT NULL, reproducible TEXT NOT NULL, restarts INTEGER NOT NULL,
  short_runs INTEGER NOT NULL, leaving INTEGER NOT NULL, message TEXT NOT NULL);
CREATE TABLE gateways(
  serial INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL, started INTEGER NOT NULL,
  boot TEXT NOT NULL, generation TEXT NOT NULL);
CREATE TABLE traffic(service TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE resolved(source TEXT PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL);
CREATE TABLE numbers(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
)sql"};
constexpr int kReadable = 1;

std::int64_t number_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::int64_t number_of(bool value) { return value ? 1 : 0; }
SqlValue serial_or_null(std::int64_t serial) {
  return serial == 0 ? SqlValue(std::monostate()) : SqlValue(serial);
}

std::string write_gpus(const std::vector<int>& gpus) {
  std::string text;
  for (const int gpu : gpus) text += (text.empty() ? "" : ",") + std::to_string(gpu);
  return text;
}

std::vector<int> read_gpus(std::string_view text) {
  std::vector<int> gpus;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    gpus.push_back(std::atoi(std::string(text.substr(begin, end - begin)).c_str()));
    begin = end + 1;
  }
  return gpus;
}

Identity identity_at(const SqlRow& row, int column) {
  return {static_cast<int>(row.integer(column)),
          static_cast<std::uint64_t>(row.integer(column + 1)), row.text(column + 2)};
}

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool flag_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace

std::string write_traffic(const Traffic& traffic) {
  return json::serialize(json::object{{"service", traffic.service},
                                      {"stable", traffic.stable},
                                      {"candidate", traffic.candidate},
                                      {"weight", traffic.weight},
                                      {"salt", traffic.salt},
                                      {"shadow", traffic.shadow},
                                      {"byUser", traffic.by_user},
                                      {"userHeader", traffic.user_header},
                                      {"resilience", traffic.resilience},
                                      {"access", traffic.access},
                                      {"sample", traffic.sample}});
}

Result<Traffic> read_traffic(std::string_view text) {
  SERIN_TRY_ASSIGN(const json::value value, parse_json(text));
  const json::object* object = value.if_object();
  if (object == nullptr) return fail(Code::kDataLoss, "the record of traffic is no object");
  Traffic traffic;
  traffic.service = text_at(*object, "service");
  traffic.stable = text_at(*object, "stable");
  traffic.candidate = text_at(*object, "candidate");
  traffic.salt = text_at(*object, "salt");
  traffic.user_header = text_at(*object, "userHeader");
  traffic.shadow = flag_at(*object, "shadow");
  traffic.by_user = flag_at(*object, "byUser");
  if (const json::value* weight = object->if_contains("weight");
      weight != nullptr && weight->is_int64())
    traffic.weight = static_cast<int>(weight->get_int64());
  if (const json::value* resilience = object->if_contains("resilience");
      resilience != nullptr && resilience->is_object())
    traffic.resilience = resilience->get_object();
  if (const json::value* access = object->if_contains("access"); access != nullptr) {
    // Nothing that cannot be read opens a door.
    if (!access->is_object()) return fail(Code::kDataLoss, "the record of access is no object");
    traffic.access = access->get_object();
  }
  if (const json::value* sample = object->if_contains("sample");
      sample != nullptr && sample->is_number())
    traffic.sample = sample->to_number<double>();
  SERIN_TRY(check(traffic));
  return traffic;
}

Result<RecordBook> RecordBook::open(const std::filesystem::path& file) {
  SERIN_TRY_ASSIGN(Database database, Database::open(file, kMigrations, kReadable));
  return RecordBook(std::move(database));
}

Status RecordBook::load_versions(Records& records) {
  return database_.each(
      "SELECT service, label, source, digest, root, replicas, cpus, memory, gpus, remote, removed,"
      " crashes FROM versions ORDER BY service, label",
      {}, [&](const SqlRow& row) -> Status {
        VersionRecord version;
        version.spec.service = row.text(0);
        version.spec.label = row.text(1);
        version.spec.model = {row.text(2), row.text(3), row.text(4)};
        version.spec.replicas = static_cast<int>(row.integer(5));
        version.spec.resources = {row.real(6), static_cast<std::uint64_t>(row.integer(7)),
                                  static_cast<int>(row.integer(8))};
        version.remote = row.integer(9) != 0;
        version.removed = row.integer(10) != 0;
        version.crashes = static_cast<std::uint64_t>(row.integer(11));
        records.versions.push_back(std::move(version));
        return {};
      });
}

Status RecordBook::load_replicas(Records& records) {
  return database_.each(
      "SELECT serial, service, label, generation, cpus, memory, gpus, pid, started, boot, ready,"
      " profile, reproducible, restarts, short_runs, leaving, message FROM replicas ORDER BY "
      "serial",
      {}, [&](const SqlRow& row) -> Status {
        ReplicaRecord replica;
        replica.serial = row.integer(0);
        replica.service = row.text(1);
        replica.label = row.text(2);
        replica.generation = row.text(3);
        replica.gpus = read_gpus(row.text(6));
        replica.resources = {row.real(4), static_cast<std::uint64_t>(row.integer(5)),
                             static_cast<int>(replica.gpus.size())};
        replica.process = identity_at(row, 7);
        replica.ready = row.integer(10) != 0;
        replica.profile = row.text(11);
        replica.reproducible = row.text(12);
        replica.restarts = static_cast<std::uint64_t>(row.integer(13));
        replica.short_runs = static_cast<int>(row.integer(14));
        replica.leaving = row.integer(15) != 0;
        replica.message = row.text(16);
        records.replicas.push_back(std::move(replica));
        return {};
      });
}

Result<Records> RecordBook::load() {
  Records records;
  SERIN_TRY(load_versions(records));
  SERIN_TRY(load_replicas(records));
  SERIN_TRY(database_.each("SELECT body FROM traffic ORDER BY service", {},
                           [&](const SqlRow& row) -> Status {
                             SERIN_TRY_ASSIGN(Traffic traffic, read_traffic(row.text(0)));
                             records.traffic.push_back(std::move(traffic));
                             return {};
                           }));
  SERIN_TRY(database_.each(
      "SELECT serial, pid, started, boot, generation FROM gateways ORDER BY serial", {},
      [&](const SqlRow& row) -> Status {
        records.gateways.push_back({row.integer(0), identity_at(row, 1), row.text(4)});
        return {};
      }));
  return records;
}

Status RecordBook::put(const VersionRecord& version) {
  const VersionSpec& spec = version.spec;
  return database_.run(
      "INSERT OR REPLACE INTO versions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
      {spec.service, spec.label, spec.model.source, spec.model.digest, spec.model.root.string(),
       std::int64_t{spec.replicas}, spec.resources.cpus, number_of(spec.resources.memory_bytes),
       std::int64_t{spec.resources.gpus}, number_of(version.remote), number_of(version.removed),
       number_of(version.crashes)});
}

Status RecordBook::drop_version(const std::string& service, const std::string& label) {
  return database_.run("DELETE FROM versions WHERE service = ?1 AND label = ?2", {service, label});
}

Status RecordBook::put(ReplicaRecord& replica) {
  return database_.each(
      "INSERT OR REPLACE INTO replicas"
      " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17) RETURNING serial",
      {serial_or_null(replica.serial), replica.service, replica.label, replica.generation,
       replica.resources.cpus, number_of(replica.resources.memory_bytes), write_gpus(replica.gpus),
       std::int64_t{replica.process.pid}, number_of(replica.process.started), replica.process.boot,
       number_of(replica.ready), replica.profile, replica.reproducible, number_of(replica.restarts),
       std::int64_t{replica.short_runs}, number_of(replica.leaving), replica.message},
      [&](const SqlRow& row) -> Status {
        replica.serial = row.integer(0);
        return {};
      });
}

Status RecordBook::drop_replica(std::int64_t serial) {
  return database_.run("DELETE FROM replicas WHERE serial = ?1", {serial});
}

Status RecordBook::put(GatewayRecord& gateway) {
  return database_.each(
      "INSERT OR REPLACE INTO gateways VALUES (?1,?2,?3,?4,?5) RETURNING serial",
      {serial_or_null(gateway.serial), std::int64_t{gateway.process.pid},
       number_of(gateway.process.started), gateway.process.boot, gateway.generation},
      [&](const SqlRow& row) -> Status {
        gateway.serial = row.integer(0);
        return {};
      });
}

Status RecordBook::drop_gateway(std::int64_t serial) {
  return database_.run("DELETE FROM gateways WHERE serial = ?1", {serial});
}

Status RecordBook::put(const Traffic& traffic) {
  return database_.run("INSERT OR REPLACE INTO traffic VALUES (?1, ?2)",
                       {traffic.service, write_traffic(traffic)});
}

Status RecordBook::drop_traffic(const std::string& service) {
  return database_.run("DELETE FROM traffic WHERE service = ?1", {service});
}

Status RecordBook::resolved(const Model& model, std::int64_t unix_seconds) {
  return database_.run("INSERT OR REPLACE INTO resolved VALUES (?1, ?2, ?3)",
                       {model.source, model.digest, unix_seconds});
}

Result<std::int64_t> RecordBook::number(const std::string& name) {
  std::int64_t value = 0;
  SERIN_TRY(database_.each("SELECT value FROM numbers WHERE name = ?1", {name},
                           [&](const SqlRow& row) -> Status {
                             value = row.integer(0);
                             return {};
                           }));
  return value;
}

Status RecordBook::set_number(const std::string& name, std::int64_t value) {
  return database_.run("INSERT OR REPLACE INTO numbers VALUES (?1, ?2)", {name, value});
}

}  // namespace serin::platform::local
