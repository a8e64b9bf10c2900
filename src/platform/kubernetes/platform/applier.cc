// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/applier.h"

#include <cctype>
#include <utility>

#include "base/digest.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::chrono::minutes kAgain{10};

std::string name_in(const Reference& reference) { return reference.kind + "/" + reference.name; }

std::int64_t generation_of(const json::value& object) {
  const json::value* found = value_at(object, "/metadata/generation");
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

}  // namespace

Resource resource_of(std::string_view api_version, std::string_view kind) {
  Resource resource;
  const std::size_t slash = api_version.find('/');
  if (slash != std::string_view::npos) resource.group = api_version.substr(0, slash);
  resource.version = api_version.substr(slash == std::string_view::npos ? 0 : slash + 1);
  for (const char letter : kind)
    resource.plural += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  if (resource.plural.ends_with('y')) {
    resource.plural.back() = 'i';
    resource.plural += 'e';
  }
  resource.plural += 's';
  return resource;
}

Reference reference_of(const json::object& object) {
  return {std::string(object.at("apiVersion").as_string()),
          std::string(object.at("kind").as_string()),
          std::string(object.at("metadata").at("name").as_string())};
}

Target Applier::target_of(const Reference& reference) const {
  return {resource_of(reference.api_version, reference.kind), name_space_, reference.name};
}

Status Applier::apply(const json::object& object, const std::function<void(json::object&)>& amend) {
  const Reference reference = reference_of(object);
  std::string digest = sha256_hex(canonical_json(object));
  const Instant now = clock_.now();
  Applied& known = applied_[name_in(reference)];
  if (known.digest == digest && now - known.when < kAgain) return {};
  json::object sent = object;
  if (amend) amend(sent);
  SERIN_TRY_ASSIGN(const json::value made, api_.apply(target_of(reference), sent, true));
  known = {std::move(digest), now, generation_of(made), known.seen};
  return {};
}

Status Applier::replace(json::object object, const json::value& live) {
  const Reference reference = reference_of(object);
  if (live.is_object())
    object["metadata"].as_object()["resourceVersion"] = std::string(version_of(live));
  SERIN_TRY(api_.apply(target_of(reference), object, true));
  return {};
}

void Applier::look(const Reference& reference, const json::value* live) {
  const auto found = applied_.find(name_in(reference));
  if (found == applied_.end()) return;
  Applied& known = found->second;
  // A cache may be behind, but not once it has shown what was made.
  if (live == nullptr) {
    if (known.seen) applied_.erase(found);
    return;
  }
  known.seen = true;
  if (generation_of(*live) > known.generation) known.digest.clear();  // to be applied again
}

Result<json::value> Applier::get(const Reference& reference) {
  auto found = api_.get(target_of(reference));
  if (!found && found.error().code == Code::kNotFound) return json::value(nullptr);
  return found;
}

Status Applier::remove(const Reference& reference) {
  applied_.erase(name_in(reference));
  const Status removed = api_.remove(target_of(reference));
  if (!removed && removed.error().code == Code::kNotFound) return {};
  return removed;
}

Status Applier::remove_all(std::string_view api_version, std::string_view kind,
                           const std::string& labels) {
  const Target all{resource_of(api_version, kind), name_space_};
  const auto found = api_.list(all, {.labels = labels});
  if (!found && found.error().code == Code::kNotFound) return {};
  if (!found) return fail(found.error());
  for (const json::value& one : found->items)
    SERIN_TRY(remove({std::string(api_version), std::string(kind), key_of(one).name}));
  return {};
}

}  // namespace serin::platform::kubernetes
