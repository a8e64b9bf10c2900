// SPDX-License-Identifier: Apache-2.0
#include "telemetry/server_metrics.h"

namespace serin::telemetry {

net::Response scraped(const Registry& registry, const net::RequestHead& head) {
  const Exposition form = negotiate(head.headers.get("accept"));
  return {200, {{"content-type", content_type(form)}}, registry.expose(form)};
}

void measure_server(Registry& registry, const net::Server& measured) {
  const net::Server* server = &measured;
  registry.gauge_read_by("serin_connections_open", "Connections of clients.", {}, [server] {
    return static_cast<double>(server->counters().connections_open);
  });
  registry.counter_read_by("serin_connections_refused_total", "Connections beyond the limit.", {},
                           [server] { return server->counters().connections_refused; });
  registry.counter_read_by(
      "serin_protocol_errors_total",
      "Requests and connections that broke HTTP's rules, or a limit on heads or bodies.", {},
      [server] { return server->counters().protocol_errors; });
  registry.gauge_read_by("serin_body_bytes", "Bytes of requests' bodies that are held.", {},
                         [server] { return static_cast<double>(server->counters().body_bytes); });
  registry.counter_read_by("serin_bodies_refused_total",
                           "Requests whose bodies there was no room for.", {},
                           [server] { return server->counters().bodies_refused; });
  registry.counter_read_by("serin_received_bytes_total", "Bytes from clients.", {},
                           [server] { return server->counters().bytes_in; });
  registry.counter_read_by("serin_sent_bytes_total", "Bytes to clients.", {},
                           [server] { return server->counters().bytes_out; });
}

}  // namespace serin::telemetry
