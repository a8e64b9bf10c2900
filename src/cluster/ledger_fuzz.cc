// SPDX-License-Identifier: Apache-2.0
// A ledger out of a ConfigMap that anybody may have written: read, changed and written, it is the
// same when it is read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cluster/ledger.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  const auto document = parse_json({reinterpret_cast<const char*>(data), size});
  if (!document) return 0;
  auto ledger = cluster::ledger_from(*document);
  if (!ledger) return 0;
  const json::object written = to_json(*ledger);
  const auto again = cluster::ledger_from(written);
  SERIN_CHECK(again.has_value());
  SERIN_CHECK(canonical_json(to_json(*again)) == canonical_json(written));
  control::Event event;
  event.id = 1;
  if (ledger->service) {
    const control::ServiceRecord service = *ledger->service;
    commit(*ledger, service, {&event, 1}, {.events = 2, .rollouts_of_service = 2});
  }
  erase(*ledger, {&event, 1}, {.events = 2, .rollouts_of_service = 2});
  SERIN_CHECK(ledger->events.size() <= 2);
  return 0;
}
