// SPDX-License-Identifier: Apache-2.0
// The layers that can carry a service's requests to its versions, behind one interface of four
// verbs. Pure: what a layer is to be told comes out as objects, what it says is read from objects;
// who applies and reads them is the operator. Immutable; from any thread.
//
// A weight is moved in this order, each step idempotent, so that whoever is interrupted begins
// anew: prepare() for the versions that the route names, set_weights(), and what prepare() does not
// name any more may go. A version thus has its Service before it has a weight, and loses the weight
// before the Service.
//
// Where the layer's own object is taken away, requests go to the stable version, for the entry
// Service selects that one's pods alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "platform/gateway_config.h"
#include "platform/kubernetes/objects/fields.h"
#include "platform/kubernetes/objects/names.h"
#include "platform/platform.h"

namespace serin::platform::kubernetes {

// What requests of one service are to meet. `traffic` has passed platform::check(), and the
// manifest check_route().
struct Route {
  std::string name_space;
  Traffic traffic;
  Fields fields;
  std::optional<Owner> owner;           // none: as of a VersionPlan
  std::vector<RoutedVersion> versions;  // and their pods; for our own gateway alone
};

// How a layer divides requests now.
struct Weights {
  std::string stable;     // label
  std::string candidate;  // label; empty: none
  int weight = 0;         // the candidate's, percent
  bool operator==(const Weights&) const = default;
};

struct Reference {
  std::string api_version, kind, name;
  bool operator==(const Reference&) const = default;
};

// What is left to do when a service goes: objects that go with it, and one that stays without it.
struct RouteRemoval {
  std::vector<Reference> gone;
  std::optional<json::object> changed;
};

class TrafficRouter {
 public:
  virtual ~TrafficRouter() = default;

  // All but the weights: Services, and what the layer has to know of each version.
  virtual std::vector<json::object> prepare(const Route& route) const = 0;
  // The one object that holds the weights, whole. `live` is what the cluster has of it; null:
  // nothing yet. kFailedPrecondition where that cannot be gone on from.
  virtual Result<json::object> set_weights(const Route& route, const json::value& live) const = 0;
  // Which object that is.
  virtual Reference holder(const Route& route) const = 0;
  // What it says. kNotFound where it does not know the service; kFailedPrecondition, with the path
  // of the field and both values, where somebody else has changed it.
  virtual Result<Weights> weights(const Route& route, const json::value& live) const = 0;
  // `live` as above. Versions' Services go with their versions.
  virtual Result<RouteRemoval> remove(const Route& route, const json::value& live) const = 0;
};

// The layer of a manifest; lives for ever.
const TrafficRouter& router_of(const Fields& fields);

// Whether the layer that the manifest names can do all that the manifest asks for.
// kUnimplemented: a line for each field, with the reason and what to write; param is the first.
// `spec` is a manifest's, valid and with its defaults, and `defaults` the same of a manifest that
// says nothing: what was left at its default is not asked for.
Status check_route(const json::object& spec, const json::object& defaults);

}  // namespace serin::platform::kubernetes
