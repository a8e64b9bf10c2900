# SPDX-License-Identifier: Apache-2.0
"""`serin up` as Prometheus, Grafana and an OpenTelemetry collector see it: a real Prometheus (tests/env/run.py) scrapes
everything by the list that it gets, with the files of deploy/."""
import collections
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

from platform_of_this_machine import Model, Models, Up
from worker import ROOT, SERIN, TYPIST

PROMETHEUS = os.environ.get("SERIN_TEST_PROMETHEUS", "")
SERVICE = "seen"
HELD = "{interval: 1h, stepWeight: 45, analysis: {metrics: [{name: errorRate, margin: 30%}, {name: latency, margin: 30%}]}}"
TROUBLED = "troubled"
JSON = [("Content-Type", "application/json")]
# Metrics that panels ask for and nothing here counts, with why.
NOT_HERE = {"serin_gateway_hedges_total": "hedges are for packages that are bitwise reproducible on the machine at hand"}

pytestmark = pytest.mark.skipif(not PROMETHEUS, reason="runs beside a Prometheus: tests/env/run.py prometheus -- pytest …")


class Collector:
    """Takes spans as OpenTelemetry's collector does, and keeps them."""

    def __init__(self):
        collector = self
        self.spans = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in body["resourceSpans"]:
                    process = attributes(resource["resource"])
                    for scope in resource["scopeSpans"]:
                        collector.spans += [{**span, "process": process["service.name"], "values": attributes(span)}
                                            for span in scope["spans"]]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def attributes(thing):
    return {one["key"]: next(iter(one["value"].values())) for one in thing["attributes"]}


def fetch(url, data=None, headers=()):
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=dict(headers)), timeout=30) as answer:
        return answer.read()


def ask(path, **parameters):
    """An answer of Prometheus's API."""
    answer = json.loads(fetch(f"{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
    assert answer["status"] == "success", answer
    return answer["data"]


def query(expression):
    """The values, by their labels."""
    data = ask("query", query=expression)
    assert data["resultType"] == "vector", expression
    return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]


@pytest.fixture(scope="module")
def seen():
    """A service with a rollout under way, requests that come, and a Prometheus that has looked a few times."""
    models, collector = Models(), Collector()
    up = Up(options=("--metrics-port", "0", "--otlp", collector.url))
    load = None
    try:
        up.models = models
        told = "  notifications: [{name: book, command: [/bin/true]}]\n"
        up.apply(SERVICE, models.package("seen-1"), HELD, told)
        assert up.serving(SERVICE), up.log()
        up.apply(SERVICE, models.package("seen-2"), HELD, told)
        assert up.until(lambda: up.json("rollout", "status", SERVICE)["weight"] == 10), up.log()
        load = up.load(SERVICE, rate=20)
        up.collector, up.metrics = collector, up.control("/v1/status")["metrics"]
        config = (ROOT / "deploy/prometheus/prometheus.yaml").read_text()
        config = config.replace("15s", "1s").replace("http://127.0.0.1:9464", up.metrics)
        config = config.replace("serin.rules.yaml", str(ROOT / "deploy/prometheus/serin.rules.yaml"))
        pathlib.Path(os.environ["SERIN_TEST_PROMETHEUS_CONFIG"]).write_text(config)
        fetch(f"{PROMETHEUS}/-/reload", b"")
        assert up.until(lambda: query(f'service:serin_requests:rate5m{{service="{SERVICE}"}} > 5')
                        and query(f'serin_rollout_metric_requests{{service="{SERVICE}", arm="candidate"}} > 3')), up.log()
        yield up
    finally:
        if load:
            load.terminate()
            load.communicate(timeout=60)
        up.close()
        models.close()
        collector.server.shutdown()


def test_everything_that_runs_is_scraped(seen):
    assert seen.until(lambda: len(query("up == 1")) == 4), ask("targets")
    targets = ask("targets")["activeTargets"]
    assert [target["lastError"] for target in targets if target["lastError"]] == []
    found = collections.Counter(target["labels"]["component"] for target in targets)
    assert found == {"control": 1, "gateway": 1, "worker": 2}
    workers = {(target["labels"]["service"], target["labels"]["version"]) for target in targets
               if target["labels"]["component"] == "worker"}
    assert workers == {(SERVICE, "v1"), (SERVICE, "v2")}
    # Each says of itself what it says to everybody else.
    assert {labels["component"] for labels, _ in query("process_resident_memory_bytes > 1e6")} == {"control", "gateway", "worker"}


def test_rules_give_what_they_say(seen):
    one = f'service="{SERVICE}"'
    assert seen.until(lambda: [value for _, value in query(f"service_version:serin_request_errors:ratio5m{{{one}}}")] == [0, 0])
    rates = dict((labels["version"], value) for labels, value in query(f"service_version:serin_requests:rate5m{{{one}}}"))
    assert rates["v1"] > rates["v2"] > 0
    for metric in ("serin_request_seconds", "serin_first_byte_seconds"):
        low, high = (query(f'service_version:{metric}:{q}{{{one}, version="v1"}}')[0][1] for q in ("p50", "p99"))
        assert 0 < low <= high < 10, metric
    assert query("serin:objective:ratio") == [({"__name__": "serin:objective:ratio"}, 0.999)]
    groups = ask("rules")["groups"]
    assert len(groups) == 8
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"] == []
    firing = [alert["labels"]["alertname"] for alert in ask("alerts")["alerts"] if alert["state"] == "firing"]
    assert firing == []


def test_the_rollout_is_as_its_status_says(seen):
    assert query(f'serin_rollout_state{{service="{SERVICE}"}} == 1')[0][0]["state"] == "moving"
    assert query(f'serin_rollout_weight_ratio{{service="{SERVICE}"}}')[0][1] == 0.1
    status = seen.json("rollout", "status", SERVICE)
    metrics = {labels["metric"] for labels, _ in query(f'serin_rollout_evidence_ratio{{service="{SERVICE}"}}')}
    assert metrics == {metric["name"] for metric in status["metrics"]}
    for labels, value in query(f'serin_rollout_evidence_ratio{{service="{SERVICE}"}}'):
        assert 0 <= value <= 1, labels
    events = {labels["reason"]: value for labels, value in query(f'serin_events_total{{service="{SERVICE}"}}')}
    assert events["RolloutStarted"] == 1 and events["WeightChanged"] == 1


def test_the_port_has_nothing_but_metrics(seen):
    targets = json.loads(fetch(f"{seen.metrics}/discovery"))
    assert len(targets) == 4
    for path in ("/v1/services", "/config", "/workers/nobody/metrics", "/workers/..%2Fgateway/metrics", "/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(seen.metrics + path)
        assert refused.value.code in (400, 404), path
    assert b"serin_service_state" in fetch(f"{seen.metrics}/metrics", headers=[("Accept", "application/openmetrics-text")])


def test_a_trace_goes_from_the_client_to_the_worker(seen):
    trace, client = os.urandom(16).hex(), os.urandom(8).hex()
    fetch(f"{seen.url()}/services/{SERVICE}/generate", b"{}",
          [("Content-Type", "application/json"), ("traceparent", f"00-{trace}-{client}-01")])

    def spans():
        return {(span["process"], span["kind"]): span for span in list(seen.collector.spans) if span["traceId"] == trace}

    assert seen.until(lambda: len(spans()) == 3), spans()
    request, tried, worked = (spans()[key] for key in (("serin-gateway", 2), ("serin-gateway", 3), (SERVICE, 2)))
    assert request["parentSpanId"] == client
    assert tried["parentSpanId"] == request["spanId"]
    assert worked["parentSpanId"] == tried["spanId"]
    assert {span["name"] for span in (request, tried, worked)} == {"POST /generate"}
    assert request["values"]["serin.service"] == SERVICE
    assert tried["values"]["serin.try"] == "first"
    assert {span["values"]["http.response.status_code"] for span in (request, tried, worked)} == {"200"}


@pytest.fixture(scope="module")
def troubled(seen, tmp_path_factory):
    """Beside it a service that makes text, and one that was rolled out, fails, and refuses who has no key."""
    keys = tmp_path_factory.mktemp("keys") / "keys.yaml"
    hashed = subprocess.run([SERIN, "key", "hash"], input="secret\n", capture_output=True, text=True, check=True).stdout
    keys.write_text(f"keys:\n- {{name: team, hashes: [{hashed.strip()}]}}\n")
    rules = (f"  replicas: {{min: 2, max: 2}}\n  access: {{keyFile: {keys}}}\n"
             "  resilience: {fallback: {answer: {status: 200, contentType: text/plain, body: later}}}\n")
    for number in (1, 2):
        seen.apply(TROUBLED, seen.models.package(f"troubled-{number}", "fails"), HELD, rules)
        assert seen.until(lambda: seen.service(TROUBLED)["state"] == ("Serving", "Rolling")[number - 1]), seen.log()
    assert seen.until(lambda: seen.serin("rollout", "promote", TROUBLED).returncode == 0), "once v2 is ready"
    assert seen.serving(TROUBLED), seen.log()
    seen.apply("texts", TYPIST)
    assert seen.serving("texts"), seen.log()
    Model.spoiled.set()
    yield seen
    Model.spoiled.clear()


def panels():
    for path in sorted((ROOT / "deploy/grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}", target["expr"]


def test_every_query_of_every_dashboard_has_a_result(troubled):
    def ask_them():
        fetch(f"{troubled.url()}/services/texts/generate", b'{"prompt": "x", "max_tokens": 3, "pace": 0}', JSON)
        answer = fetch(f"{troubled.url()}/services/{TROUBLED}/generate", b"{}", [*JSON, ("Authorization", "Bearer secret")])
        assert answer == b"later"
        assert troubled.ask(TROUBLED)[0] == 401

    def has_result(expression):
        expression = expression.replace('=~"$service"', '=~".*"').replace("$__rate_interval", "1m")
        return any(query(expression.replace("$service", name)) for name in (SERVICE, TROUBLED))

    def missing():
        ask_them()
        return {where for where, expression in panels() if not has_result(expression) and not any(map(expression.count, NOT_HERE))}

    assert all("$" not in re.sub(r"\$(service|__rate_interval)", "", expression) for _, expression in panels())
    assert troubled.until(lambda: not missing()), missing()
