// SPDX-License-Identifier: Apache-2.0
// What the control plane keeps (control/record.h, control/store.h) as JSON, for stores that are
// documents. Pure. Fields that are missing read as nothing, so that a record of the release before
// is read, and fields that are not known are left out; kDataLoss, naming the field, for one of
// another type or a state that this release does not know.
#pragma once

#include "base/json.h"
#include "control/store.h"

namespace serin::cluster {

json::object to_json(const control::ServiceRecord& service);
json::object to_json(const control::RolloutRecord& rollout);
json::object to_json(const control::Event& event);
json::object to_json(const control::Subscription& subscription);

Result<control::ServiceRecord> service_from(const json::value& value);
Result<control::RolloutRecord> rollout_from(const json::value& value);
Result<control::Event> event_from(const json::value& value);
Result<control::Subscription> subscription_from(const json::value& value);

}  // namespace serin::cluster
