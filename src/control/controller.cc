// SPDX-License-Identifier: Apache-2.0
#include "control/controller.h"

#include <algorithm>
#include <utility>

#include "base/last_resort.h"
#include "base/log.h"
#include "base/nearest.h"
#include "control/notify/reasons.h"
#include "control/notify/tell.h"

namespace serin::control {
namespace {

// Transitions of one service in one pass; more wait for the next.
constexpr int kMostSteps = 8;

// The same text for the same wish.
std::string key_of(const platform::VersionSpec& spec) {
  return spec.model.digest + " " + spec.model.root.string() + " " + std::to_string(spec.replicas) +
         " " + std::to_string(spec.resources.cpus) + " " +
         std::to_string(spec.resources.memory_bytes) + " " + std::to_string(spec.resources.gpus) +
         " " + std::to_string(spec.max_replicas) + " " + std::to_string(spec.drain.count()) + " " +
         canonical_json(spec.kubernetes);
}
std::string key_of(const platform::Traffic& traffic) {
  return traffic.stable + " " + traffic.candidate + " " + std::to_string(traffic.weight) + " " +
         traffic.salt + " " + (traffic.shadow ? "shadow " : "") +
         (traffic.by_user ? "user " : "request ") + traffic.user_header + " " +
         canonical_json(traffic.resilience) + " " + canonical_json(traffic.access) + " " +
         canonical_json(traffic.kubernetes) + " " + std::to_string(traffic.sample);
}

// Whether what signs can be read, and whether it will ever be told of what it asks for, is said at
// once, not with the first event.
Status check_target(const notify::Target& target, const std::string& path,
                    const std::string& file) {
  const auto wrong = [&](const std::string& field, const Error& error) {
    return invalid(file + ": " + field + ": " + error.message, field);
  };
  for (std::size_t i = 0; i < target.events.size(); ++i) {
    if (const Status checked = notify::check_pattern(target.events[i]); !checked)
      return wrong(path + ".events[" + std::to_string(i) + "]", checked.error());
  }
  if (const Status checked = notify::check(target); !checked)
    return wrong(path + ".secretFile", checked.error());
  return {};
}

Status check_targets(const Manifest& manifest, const std::string& file) {
  const json::array& targets = manifest.document.at("spec").at("notifications").as_array();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    SERIN_TRY_ASSIGN(const auto target, notify::read_target(canonical_json(targets[i])));
    SERIN_TRY(check_target(target, "spec.notifications[" + std::to_string(i) + "]", file));
  }
  return {};
}

// What may be meant so: another service can come later.
template <class Services>
std::vector<std::string> warnings_about(const Manifest& manifest, const Services& services) {
  std::vector<std::string> warnings;
  for (const std::string path :
       {"/spec/resilience/fallback/service", "/spec/resilience/mirror/service"}) {
    boost::system::error_code none;
    const json::value* named = manifest.document.find_pointer(path, none);
    if (named == nullptr || services.contains(std::string_view(named->as_string()))) continue;
    std::string field = path.substr(1);
    std::ranges::replace(field, '/', '.');
    warnings.push_back(field + ": there is no service " + std::string(named->as_string()) +
                       " yet; until there is, this has no effect");
  }
  return warnings;
}

// Where in a document a command is named, first; empty where none is.
std::string path_of_command(const json::value& value, const std::string& path) {
  if (const auto* object = value.if_object()) {
    for (const auto& field : *object) {
      std::string below = path + "." + std::string(field.key());
      if (field.key() == "command") return below;
      if (std::string found = path_of_command(field.value(), below); !found.empty()) return found;
    }
  } else if (const auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      std::string found = path_of_command((*array)[i], path + "[" + std::to_string(i) + "]");
      if (!found.empty()) return found;
    }
  }
  return {};
}

// Who may change services from elsewhere may not thereby start programs here.
Status check_commands(const Manifest& manifest, const std::string& file) {
  const std::string path = path_of_command(manifest.document.at("spec"), "spec");
  if (path.empty()) return {};
  return fail({.code = Code::kPermissionDenied,
               .message = file + ": " + path +
                          ": over the network no command can be named; apply it on the control "
                          "plane's machine",
               .reason = "command_not_allowed",
               .param = path});
}

void log_event(const Event& event) {
  log::write(event.warning ? log::Level::kWarning : log::Level::kInfo, event.message,
             {{"service", event.service}, {"version", event.version}, {"reason", event.reason}});
}

bool is_relative(std::string_view path) {
  return path == "." || path.starts_with("./") || path.starts_with("../");
}

// The words of the commands of spec.rollout.analysis.scorers.
void each_command_word(json::value& document, const std::function<void(json::value&)>& call) {
  boost::system::error_code none;
  json::value* scorers = document.find_pointer("/spec/rollout/analysis/scorers", none);
  if (scorers == nullptr) return;
  for (json::value& scorer : scorers->as_array()) {
    json::value* command = scorer.as_object().if_contains("command");
    if (command != nullptr) std::ranges::for_each(command->as_array(), call);
  }
}

// "./model" and "../model" are meant from the manifest's folder, wherever the program runs; so are
// such words of a scorer's command.
Status make_absolute(Manifest& manifest, const ApplyRequest& request) {
  const std::filesystem::path& folder = request.folder;
  if (is_relative(manifest.model) && folder.empty())
    return invalid(request.file + ": spec.model: " + manifest.model +
                       " is meant from a folder that the control plane does not know; name a "
                       "package of its registry, a URL, or an absolute path on its machine",
                   "spec.model");
  if (folder.empty()) return {};
  const auto absolute = [&](std::string_view path) {
    return (folder / path).lexically_normal().string();
  };
  if (is_relative(manifest.model)) manifest.model = absolute(manifest.model);
  for (json::value* document : {&manifest.written, &manifest.document}) {
    document->at("spec").as_object()["model"] = manifest.model;
    each_command_word(*document, [&](json::value& word) {
      if (is_relative(word.as_string())) word = absolute(word.as_string());
    });
  }
  return {};
}

}  // namespace

Controller::Controller(Store& store, platform::Platform& platform, const Clock& clock,
                       const ControllerOptions& options)
    : store_(store),
      platform_(platform),
      clock_(clock),
      options_(options),
      metrics_(options.build, clock, options.metric_labels),
      scorers_(platform) {}

Controller::~Controller() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

Result<std::unique_ptr<Controller>> Controller::create(Store& store, platform::Platform& platform,
                                                       const Clock& clock,
                                                       const ControllerOptions& options) {
  std::unique_ptr<Controller> made(new Controller(store, platform, clock, options));
  SERIN_TRY(made->load());
  return made;
}

Status Controller::load() {
  SERIN_TRY_ASSIGN(auto records, store_.load());
  for (ServiceRecord& record : records) {
    auto service = std::make_unique<Service>();
    SERIN_TRY_ASSIGN(service->manifest, read_manifest(record.manifest, "stored " + record.name));
    if (const Status restored = service->witness.restore(record); !restored)
      log::warning("statistics are lost",
                   {{"service", record.name}, {"error", restored.error().message}});
    const std::string name = record.name;
    service->record = std::move(record);
    services_.emplace(name, std::move(service));
  }
  return {};
}

void Controller::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Controller::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    survives("a pass of the control plane", [this] { pass(); });
    std::unique_lock lock(wake_mutex_);
    wake_.wait_for(lock, stop, options_.pass_every, [this] { return woken_; });
    woken_ = false;
  }
}

void Controller::wake() {
  const std::lock_guard lock(wake_mutex_);
  woken_ = true;
  wake_.notify_all();
}

std::vector<std::string> Controller::names() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  names.reserve(services_.size());
  for (const auto& [name, service] : services_) names.push_back(name);
  return names;
}

void Controller::pass() {
  for (const std::string& name : names()) {
    // Between two services others have their turn.
    const std::lock_guard lock(mutex_);
    const auto found = services_.find(name);
    if (found == services_.end()) continue;
    const Instant began = clock_.now();
    const Status done = pass_over(*found->second);
    metrics_.passed(name, clock_.now() - began, done);
    // A service that was forgotten is no more.
    if (found->second->record.name.empty()) {
      metrics_.forget(name);
      scorers_.want(name, {});
      services_.erase(found);
    } else {
      note_problem(*found->second, done);
    }
  }
}

Status Controller::pass_over(Service& service) {
  SERIN_TRY(observe(service));
  SERIN_TRY(advance(service));
  if (service.record.name.empty()) return {};
  SERIN_TRY(act(service));
  return save(service);
}

Status Controller::observe(Service& service) {
  SERIN_TRY_ASSIGN(auto versions, platform_.observe(service.record.name));
  const auto ended =
      worker_ends(service.record, service.seen.versions, versions, moment_of(clock_));
  service.seen.versions = std::move(versions);
  if (!ended.empty()) SERIN_TRY(note(service, ended));
  if (service.record.routed && !service.record.deleting) {
    const Moment now = moment_of(clock_);
    const auto lost = service.witness.read(platform_, service.record, service.seen, now);
    // Without evidence nothing is decided on it, but all else goes on.
    if (lost) metrics_.lost(service.record.name, *lost);
    if (lost && *lost > 0 && service.witness.analysing() && service.record.rolling()) {
      const Event event = event_of(
          service.record, now, {}, "EvidenceLost",
          std::to_string(*lost) + " requests were forgotten before they were counted", true);
      SERIN_TRY(note(service, {&event, 1}));
    }
  }
  rollout::AnalysisReport verdicts = service.witness.verdicts();
  metrics_.judged(service.record.name, service.seen.report, verdicts);
  service.seen.report = std::move(verdicts);
  return look_after_scorers(service);
}

// Those that the running rollout began with, whatever the manifest says by now.
std::vector<ScorerSpec> Controller::scorers_of(const Service& service) {
  const ServiceRecord& record = service.record;
  const bool wanted = record.rolling() && service.witness.analysing() && !record.deleting;
  return wanted ? service.witness.own_scorers() : std::vector<ScorerSpec>();
}

Status Controller::look_after_scorers(Service& service) {
  const ServiceRecord& record = service.record;
  scorers_.want(record.name, scorers_of(service));
  for (const Scorers::Trouble& trouble : scorers_.take(record.name)) {
    const Event event = event_of(record, moment_of(clock_), {}, "ScorerFailed",
                                 trouble.scorer + ": " + trouble.message, true);
    SERIN_TRY(note(service, {&event, 1}));
  }
  return {};
}

// What happened without a step, also where it cannot be kept.
Status Controller::note(const Service& service, std::span<const Event> events) {
  for (const Event& event : events) log_event(event);
  metrics_.happened(events);
  return store_.commit(service.record, events);
}

Status Controller::advance(Service& service) {
  for (int i = 0; i < kMostSteps; ++i) {
    auto step = next_step(service.record, service.manifest, service.seen, moment_of(clock_));
    if (!step) return {};
    SERIN_TRY(commit(service, std::move(*step)));
    if (service.record.name.empty()) return {};
  }
  return {};
}

// First the store, then everything else.
Status Controller::commit(Service& service, Step step) {
  if (step.erase) {
    SERIN_TRY(store_.erase(step.next.name, step.events));
    service.record.name.clear();
    return {};
  }
  const auto number = [](const ServiceRecord& record) {
    return record.rollout ? record.rollout->number : 0;
  };
  if (number(step.next) != number(service.record)) {
    service.witness.end();
    service.seen.report = {};
  }
  const bool begins =
      step.next.rolling() && step.next.rollout->weight > 0 && step.next.rollout->analysis.empty();
  if (begins) {
    SERIN_TRY(service.witness.begin(step.next, service.seen));
  } else {
    service.witness.save(step.next);
  }
  SERIN_TRY(store_.commit(step.next, step.events));
  metrics_.moved(service.record, step.next);
  metrics_.happened(step.events);
  service.record = std::move(step.next);
  for (const Event& event : step.events) log_event(event);
  return {};
}

Status Controller::act(Service& service) {
  const Wish wish = wish_of(service.record, service.manifest, scorers_of(service));
  SERIN_TRY(tell(service, wish));
  return clear(service, wish);
}

// What ought to run, and where requests go.
Status Controller::tell(Service& service, const Wish& wish) {
  Told& told = service.told;
  for (const platform::VersionSpec& spec : wish.versions) {
    const std::string key = key_of(spec);
    if (told.versions[spec.label] == key) continue;
    SERIN_TRY(platform_.ensure(spec));
    told.versions[spec.label] = key;
    told.removed.erase(spec.label);
  }
  if (wish.traffic) {
    const std::string key = key_of(*wish.traffic);
    if (told.traffic == key) return {};
    SERIN_TRY(platform_.route(*wish.traffic));
    told.traffic = key;
    told.unrouted = false;
  } else if (service.record.deleting && !told.unrouted) {
    SERIN_TRY(platform_.unroute(service.record.name));
    told.traffic.clear();
    told.unrouted = true;
  }
  return {};
}

// What ought not to run any more, once no request goes there.
Status Controller::clear(Service& service, const Wish& wish) {
  Told& told = service.told;
  for (const platform::VersionStatus& version : service.seen.versions) {
    const bool wanted = std::ranges::any_of(
        wish.versions, [&](const auto& spec) { return spec.label == version.label; });
    if (wanted || told.removed[version.label]) continue;
    SERIN_TRY(platform_.remove(service.record.name, version.label));
    told.removed[version.label] = true;
    told.versions.erase(version.label);
  }
  return {};
}

Status Controller::save(Service& service) {
  const Moment now = moment_of(clock_);
  if (!service.record.rolling() || now - service.saved < options_.save_every) return {};
  service.saved = now;
  if (!service.witness.save(service.record)) return {};
  return store_.save_evidence(service.record.name, *service.record.rollout);
}

// Told when it begins and when it changes; a gateway that is on its way is no trouble yet.
void Controller::note_problem(Service& service, const Status& done) {
  std::string problem = done ? std::string() : done.error().message;
  if (problem == service.problem) return;
  service.problem = std::move(problem);
  if (service.problem.empty() || done.error().code == Code::kUnavailable) return;
  const Event event =
      event_of(service.record, moment_of(clock_), {}, "Failed", service.problem, true);
  if (const Status kept = note(service, {&event, 1}); !kept)
    log::warning(kept.error().message, {{"service", service.record.name}});
}

Result<Controller::Service*> Controller::find(std::string_view name) {
  const auto found = services_.find(name);
  if (found != services_.end()) return found->second.get();
  std::vector<std::string_view> known;
  known.reserve(services_.size());
  for (const auto& [one, service] : services_) known.emplace_back(one);
  std::string message = "there is no service " + std::string(name);
  if (const auto meant = nearest(name, known); !meant.empty())
    message += "; did you mean " + std::string(meant) + "?";
  return fail(Code::kNotFound, std::move(message));
}

Result<Applied> Controller::apply(const ApplyRequest& request) {
  SERIN_TRY_ASSIGN(Manifest manifest, read_manifest(request.text, request.file));
  if (request.from_network) SERIN_TRY(check_commands(manifest, request.file));
  SERIN_TRY(check_targets(manifest, request.file));
  SERIN_TRY(make_absolute(manifest, request));
  // May take minutes, in which the passes go on.
  auto model = platform_.resolve(manifest.model);
  if (!model) return fail(std::move(model).error().within(request.file + ": spec.model"));
  Applied applied;
  {
    const std::lock_guard lock(mutex_);
    const auto found = services_.find(manifest.name);
    const bool is_new = found == services_.end();
    if (is_new && services_.size() >= options_.services)
      return fail(Code::kResourceExhausted, "there are " + std::to_string(services_.size()) +
                                                " services, the most there may be");
    auto decided = control::apply(is_new ? ServiceRecord() : found->second->record, manifest,
                                  *model, request.who, moment_of(clock_));
    if (!decided) return fail(std::move(decided).error().within(request.file));
    Step step = std::move(*decided);
    applied.record = step.next;
    applied.manifest = manifest.document;
    applied.warnings = warnings_about(manifest, services_);
    if (step.events.empty()) return applied;
    applied.change = is_new ? Applied::Change::kCreated : Applied::Change::kConfigured;
    if (request.dry_run) return applied;
    auto service = is_new ? std::make_unique<Service>() : nullptr;
    Service& changed = is_new ? *service : *found->second;
    SERIN_TRY(commit(changed, std::move(step)));
    changed.manifest = std::move(manifest);
    if (is_new) services_.emplace(changed.record.name, std::move(service));
  }
  wake();
  return applied;
}

Status Controller::remove(std::string_view service, std::string_view who) {
  {
    const std::lock_guard lock(mutex_);
    SERIN_TRY_ASSIGN(Service * found, find(service));
    SERIN_TRY_ASSIGN(Step step, control::remove(found->record, who, moment_of(clock_)));
    if (!step.events.empty()) SERIN_TRY(commit(*found, std::move(step)));
  }
  wake();
  return {};
}

Status Controller::ask(std::string_view service, Verb verb, std::string_view who) {
  {
    const std::lock_guard lock(mutex_);
    SERIN_TRY_ASSIGN(Service * found, find(service));
    SERIN_TRY_ASSIGN(Step step, control::ask(found->record, found->manifest, found->seen, verb, who,
                                             moment_of(clock_)));
    if (!step.events.empty()) SERIN_TRY(commit(*found, std::move(step)));
  }
  wake();
  return {};
}

ServiceView Controller::view(const Service& service) const {
  const Moment now = moment_of(clock_);
  return {.record = service.record,
          .manifest = service.manifest,
          .seen = {.versions = service.seen.versions, .report = service.witness.report()},
          .lately = service.witness.lately(now),
          .problem = service.problem,
          .now = now};
}

std::vector<ServiceView> Controller::list() {
  const std::lock_guard lock(mutex_);
  std::vector<ServiceView> views;
  views.reserve(services_.size());
  for (const auto& [name, service] : services_) views.push_back(view(*service));
  return views;
}

Result<ServiceView> Controller::get(std::string_view service) {
  const std::lock_guard lock(mutex_);
  SERIN_TRY_ASSIGN(const Service* found, find(service));
  return view(*found);
}

Result<std::vector<Event>> Controller::events(const EventQuery& query) {
  const std::lock_guard lock(mutex_);
  return store_.events(query);
}

Result<std::vector<RolloutRecord>> Controller::history(std::string_view service, std::size_t most) {
  const std::lock_guard lock(mutex_);
  SERIN_TRY(find(service));
  return store_.history(service, most);
}

Result<std::string> Controller::logs(std::string_view service, std::string_view replica,
                                     std::size_t lines) {
  const std::lock_guard lock(mutex_);
  SERIN_TRY(find(service));
  return platform_.logs(service, replica, lines);
}

}  // namespace serin::control
