#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the dashboards of deploy/grafana from the description below. Usage: dashboards.py [--check]

With --check it writes nothing and exits 1 when a file is not what it would write. A panel is a title, what it says, its
unit, and its queries with their legends; its place follows from the order and its width (of 24). tests/deploy checks the
files against Grafana's schema, tests/system asks a real Prometheus each query.
"""
import dataclasses
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deploy" / "grafana"
SCHEMA = 41  # of Grafana 11 and 12; older ones read it too
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HEIGHT = 8


@dataclasses.dataclass
class Panel:
    title: str
    description: str
    unit: str  # of Grafana: "s", "percentunit" …
    queries: list  # (expression, legend)
    width: int = 12
    kind: str = "timeseries"
    stacked: bool = False
    names: bool = False  # of a "stat": the legends are what is told, not the values
    most: float | None = None  # the end of the axis
    mappings: dict = dataclasses.field(default_factory=dict)  # value: (text, colour)


OF = 'service=~"$service"'
OF_ONE = 'service="$service"'
ON_OFF = {0: ("no", "green"), 1: ("yes", "red")}


def quantiles(metric):
    return [(f"service_version:{metric}:{q}{{{OF}}}", "{{service}} {{version}} " + q) for q in ("p50", "p95", "p99")]


SERVICES = ("serin-services", "Serin: services", "What clients of services see, and what serves them.", True, {
    "Requests": [
        Panel("Requests", "Answered requests by the version first assigned.", "reqps",
              [(f"service_version:serin_requests:rate5m{{{OF}}}", "{{service}} {{version}}")]),
        Panel("Failed", "The part of requests that was answered with 5xx, and the objective.", "percentunit",
              [(f"service_version:serin_request_errors:ratio5m{{{OF}}}", "{{service}} {{version}}"),
               ("1 - serin:objective:ratio", "objective")]),
        Panel("Duration", "From a request's first to its last byte.", "s", quantiles("serin_request_seconds")),
        Panel("Time to the first byte", "Of a streamed answer, to its first token.", "s",
              quantiles("serin_first_byte_seconds")),
        Panel("Answers by status", "499: the client went away.", "reqps",
              [(f"sum by (code) (rate(serin_gateway_requests_total{{{OF}}}[$__rate_interval]))", "{{code}}")], stacked=True),
        Panel("Error budget", "How fast it is spent: 1 is all of it in 30 days.", "short",
              [(f"service:serin_request_errors:ratio{w}{{{OF}}} / on () group_left () (1 - serin:objective:ratio)",
                "{{service}} " + w) for w in ("1h", "6h", "3d")]),
    ],
    "Workers": [
        Panel("Ready workers", "And how many there ought to be.", "short",
              [(f'serin_version_replicas{{{OF}, state="ready"}}', "{{service}} {{version}} ready"),
               (f"serin_version_replicas_wanted{{{OF}}}", "{{service}} {{version}} wanted")]),
        Panel("Ends that nobody asked for", "Of workers, in an hour.", "short",
              [(f"increase(serin_version_crashes_total{{{OF}}}[1h])", "{{service}} {{version}}")]),
        Panel("In flight", "Requests that have begun and not ended, and how many may be.", "short",
              [(f"serin_gateway_in_flight{{{OF}}}", "{{service}}"),
               (f"serin_gateway_concurrency_limit{{{OF}}}", "{{service}} limit")]),
        Panel("Waiting in workers", "Admitted, and not begun by the model.", "short",
              [(f"sum by (service, version) (serin_requests_waiting{{{OF}}})", "{{service}} {{version}}")]),
        Panel("Time of one token", "Between two tokens of an answer, by workers; 95 of 100 are below.", "s",
              [("histogram_quantile(0.95, sum by (service, version, le) (rate("
                f"gen_ai_server_time_per_output_token_seconds_bucket{{{OF}}}[$__rate_interval])))", "{{service}} {{version}}")]),
        Panel("Tokens", "Read and written by workers.", "short",
              [(f"sum by (service, gen_ai_token_type) (rate(serin_tokens_total{{{OF}}}[$__rate_interval]))",
                "{{service}} {{gen_ai_token_type}}")]),
        Panel("Processors", "That processes keep busy.", "short",
              [("rate(process_cpu_seconds_total[$__rate_interval])", "{{instance}}")]),
        Panel("Memory", "Resident, of each process.", "bytes", [("process_resident_memory_bytes", "{{instance}}")]),
    ],
    "Resilience": [
        Panel("Refused", "Requests that did not begin, by the error's code.", "reqps",
              [(f"sum by (service, code) (rate(serin_gateway_refused_total{{{OF}}}[$__rate_interval]))",
                "{{service}} {{code}}")]),
        Panel("Tries after the first", "By what ended the one before.", "reqps",
              [(f"sum by (service, after) (rate(serin_gateway_retries_total{{{OF}}}[$__rate_interval]))",
                "{{service}} {{after}}")]),
        Panel("Not tried again", "Failed tries that were not repeated, and why.", "reqps",
              [(f"sum by (service, reason) (rate(serin_gateway_not_retried_total{{{OF}}}[$__rate_interval]))",
                "{{service}} {{reason}}")]),
        Panel("Hedges and fallbacks", "Second tries beside a slow first, and requests that another one answered.", "reqps",
              [(f"rate(serin_gateway_hedges_total{{{OF}}}[$__rate_interval])", "{{service}} hedges"),
               (f"rate(serin_gateway_fallbacks_total{{{OF}}}[$__rate_interval])", "{{service}} to {{to}}")]),
        Panel("Circuits", "Closed, open or half open.", "short",
              [(f"serin_gateway_breaker_state{{{OF}}}", "{{service}}")], kind="state-timeline",
              mappings={0: ("closed", "green"), 1: ("open", "red"), 2: ("half open", "yellow")}),
        Panel("Ejections", "Workers that got no requests for a while, in an hour.", "short",
              [(f"increase(serin_gateway_ejections_total{{{OF}}}[1h])", "{{service}} {{version}} {{reason}}")]),
    ],
    "Processes": [
        Panel("Up", "Whether each process answers scrapes.", "short", [('up{component!=""}', "{{instance}}")],
              kind="state-timeline", mappings={0: ("down", "red"), 1: ("up", "green")}),
        Panel("Notifications", "What came of telling targets of events: tries, and events given up.", "short",
              [(f"sum by (service, target, outcome) (increase(serin_notifications_total{{{OF}}}[$__rate_interval]))",
                "{{service}} {{target}} {{outcome}}")]),
        Panel("Passes of the control plane", "One look at one service; 99 of 100 are below.", "s",
              [("histogram_quantile(0.99, sum by (le) (rate(serin_control_pass_seconds_bucket[$__rate_interval])))", "p99")]),
    ],
})

ROLLOUT = ("serin-rollout", "Serin: a rollout", "One service's candidate beside its stable version.", False, {
    "": [
        Panel("Weight", "The candidate's part of the traffic.", "percentunit",
              [(f"serin_rollout_weight_ratio{{{OF_ONE}}}", "candidate")], width=4, kind="stat"),
        Panel("State", "Of the rollout.", "short", [(f"serin_rollout_state{{{OF_ONE}}} == 1", "{{state}}")], width=5,
              kind="stat", names=True),
        Panel("Waits for", "Why the last step was taken, or what it waits for.", "short",
              [(f"serin_rollout_info{{{OF_ONE}}}", "{{version}}: {{reason}}")], width=5, kind="stat",
              names=True),
        Panel("Verdict", "On the candidate, by all metrics together.", "short",
              [(f"serin_rollout_verdict{{{OF_ONE}}} == 1", "{{verdict}}")], width=5, kind="stat",
              names=True),
        Panel("Guarantee withdrawn", "Whether the stated error rates are not promised.", "short",
              [(f"serin_rollout_guarantee_withdrawn{{{OF_ONE}}}", "")], width=5, kind="stat", mappings=ON_OFF),
        Panel("Traffic", "The part that each version gets.", "percentunit",
              [(f"serin_version_weight_ratio{{{OF_ONE}}}", "{{version}}")], stacked=True, most=1),
        Panel("Requests", "By the version first assigned.", "reqps",
              [(f"service_version:serin_requests:rate5m{{{OF_ONE}}}", "{{version}}")]),
    ],
    "Evidence": [
        Panel("Evidence that it is harmful", "As a part of what the verdict takes: at 1 it is rolled back.", "percentunit",
              [(f'serin_rollout_evidence_ratio{{{OF_ONE}, verdict="harmful"}}', "{{metric}}")], most=1),
        Panel("Evidence that it is safe", "As a part of what the verdict takes: at 1 the next step may come.", "percentunit",
              [(f'serin_rollout_evidence_ratio{{{OF_ONE}, verdict="safe"}}', "{{metric}}")], most=1),
        Panel("What metrics say: parts and scores", "Of each arm.", "percentunit",
              [(f'serin_rollout_metric_value{{{OF_ONE}, unit=~"rate|score"}}', "{{metric}} {{arm}}")]),
        Panel("What metrics say: times", "Of each arm.", "s",
              [(f'serin_rollout_metric_value{{{OF_ONE}, unit="seconds"}}', "{{metric}} {{arm}}")]),
        Panel("Requests counted", "Since the rollout began; those that say nothing (4xx, clients that left) apart.", "short",
              [(f"serin_rollout_requests{{{OF_ONE}}}", "counted"),
               (f"serin_rollout_censored_requests{{{OF_ONE}}}", "say nothing")]),
        Panel("Not counted", "Requests that the gateway forgot before they were counted, in an hour.", "short",
              [(f"increase(serin_evidence_lost_total{{{OF_ONE}}}[1h])", "lost")]),
    ],
    "Both versions": [
        Panel("Failed", "The part of requests that was answered with 5xx.", "percentunit",
              [(f"service_version:serin_request_errors:ratio5m{{{OF_ONE}}}", "{{version}}")]),
        Panel("Duration", "95 of 100 are below.", "s",
              [(f"service_version:serin_request_seconds:p95{{{OF_ONE}}}", "{{version}}")]),
        Panel("Time to the first byte", "95 of 100 are below.", "s",
              [(f"service_version:serin_first_byte_seconds:p95{{{OF_ONE}}}", "{{version}}")]),
        Panel("Ready workers", "Of each version.", "short",
              [(f'serin_version_replicas{{{OF_ONE}, state="ready"}}', "{{version}}")]),
    ],
    "What happened": [
        Panel("Events", "By reason.", "short",
              [(f"sum by (reason) (increase(serin_events_total{{{OF_ONE}}}[$__rate_interval]))", "{{reason}}")]),
        Panel("Rollouts that ended", "How and why, since the control plane started.", "short",
              [(f"serin_rollouts_total{{{OF_ONE}}}", "{{ending}}: {{reason}}")]),
    ],
})


def defaults_of(panel):
    made = {"unit": panel.unit}
    if panel.unit in ("percentunit", "reqps", "s", "bytes"):
        made["min"] = 0
    if panel.most is not None:
        made["max"] = panel.most
    if panel.mappings:
        made["mappings"] = [{"type": "value", "options": {
            str(value): {"text": text, "color": colour, "index": index}
            for index, (value, (text, colour)) in enumerate(panel.mappings.items())}}]
    if panel.kind == "timeseries":
        made["custom"] = {"lineWidth": 1, "fillOpacity": 30 if panel.stacked else 0, "showPoints": "never",
                          "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"}}
    if panel.kind == "state-timeline":
        made["custom"] = {"lineWidth": 0, "fillOpacity": 70}
    return made


def options_of(panel):
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none", "colorMode": "value", "justifyMode": "auto",
                "textMode": "name" if panel.names else "auto",
                "wideLayout": True, "showPercentChange": False, "orientation": "auto",
                "percentChangeColorMode": "standard"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    tooltip = {"mode": "multi", "sort": "desc"}
    if panel.kind == "state-timeline":
        return {"showValue": "auto", "rowHeight": 0.9, "mergeValues": True, "alignValue": "left", "perPage": 20,
                "legend": legend, "tooltip": tooltip}
    return {"legend": legend, "tooltip": tooltip}


def json_of(panel, number, x, y):
    targets = [{"datasource": SOURCE, "refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend or "__auto",
                "editorMode": "code", "range": panel.kind != "stat", "instant": panel.kind == "stat"}
               for i, (expression, legend) in enumerate(panel.queries)]
    return {"id": number, "type": panel.kind, "title": panel.title, "description": panel.description, "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": 4 if panel.kind == "stat" else HEIGHT}, "targets": targets,
            "options": options_of(panel), "fieldConfig": {"defaults": defaults_of(panel), "overrides": []},
            "transparent": False, "repeatDirection": "h"}


def panels_of(rows):
    """Rows one below the other, panels side by side until a line is full."""
    made, y = [], 0
    for title, panels in rows.items():
        if title:
            made.append({"id": len(made) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                         "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
            y += 1
        x = height = 0
        for panel in panels:
            if x + panel.width > 24:
                x, y, height = 0, y + height, 0
            made.append(json_of(panel, len(made) + 1, x, y))
            x += panel.width
            height = max(height, made[-1]["gridPos"]["h"])
        y += height
    return made


def variable(name, kind, label, **more):
    return {"name": name, "type": kind, "label": label, "hide": 0, "skipUrlSync": False, "multi": False, "includeAll": False,
            "allowCustomValue": False, "regex": "", "auto": False, "auto_min": "10s", "auto_count": 30, **more}


def variables(several):
    everything = {"current": {"selected": True, "text": "All", "value": "$__all"}} if several else {}
    return [variable("datasource", "datasource", "Prometheus", query="prometheus"),
            variable("service", "query", "Service", datasource=SOURCE, refresh=2, sort=1, multi=several,
                     includeAll=several, query={"query": "label_values(serin_service_state, service)", "refId": "service"},
                     **everything)]


def dashboard(uid, title, description, several, rows):
    return {"uid": uid, "title": title, "description": description, "tags": ["serin"], "schemaVersion": SCHEMA,
            "timezone": "browser", "editable": True, "graphTooltip": 1, "fiscalYearStartMonth": 0, "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"}, "templating": {"list": variables(several)},
            "annotations": {"list": []}, "panels": panels_of(rows)}


def main():
    check = sys.argv[1:] == ["--check"]
    stale = []
    for described in (SERVICES, ROLLOUT):
        path = FOLDER / (described[0] + ".json")
        text = json.dumps(dashboard(*described), indent=1, ensure_ascii=False) + "\n"
        if check:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"{', '.join(stale)} in deploy/grafana: not what tools/dashboards.py describes; run it")


if __name__ == "__main__":
    main()
