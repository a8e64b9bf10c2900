#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One list of metrics: what the code registers, what docs/observability.md has in its tables, and what rules and dashboards
ask for. Also: names as Prometheus wants them, every alert with a section of its own, and a test of every alert.

Usage: metrics.py ROOT; prints each offence, exits 1 when there is one.
"""
import json
import pathlib
import re
import sys

REGISTERED = re.compile(
    r'(?:\b(counter|gauge|histogram|counter_read_by|gauge_read_by)\s*\(|\bFamily\s+\w+\s*\{)\s*"([a-z_]+)"\s*,\s*"')
ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram)\b", re.M)
USED = re.compile(r"\b(?:serin|gen_ai|process)_[a-z_]+[a-z](?![a-z_:])")
NOT_METRICS = {"gen_ai_token_type"}  # labels
UNITS = ("_seconds", "_bytes", "_ratio", "_info", "_fds")


def registered(root):
    """Kind by name."""
    found = {}
    for path in sorted((root / "src").rglob("*.cc")):
        if re.search(r"_(test|fuzz)\.cc$", path.name):
            continue
        for kind, name in REGISTERED.findall(path.read_text()):
            kind = kind.removesuffix("_read_by") or ("counter" if name.endswith("_total") else "gauge")
            found.setdefault(name, kind)
    return found


def expressions(root):
    """Queries of rules and panels, with where they stand."""
    rules = (root / "deploy/prometheus/serin.rules.yaml").read_text()
    yield "serin.rules.yaml", re.sub(r"^\s*(#|summary:|description:|runbook_url:|- name:|- alert:).*$", "", rules, flags=re.M)
    for path in sorted((root / "deploy/grafana").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.name}, {panel['title']}", target["expr"]


def offences(root):
    code = registered(root)
    page = (root / "docs/observability.md").read_text()
    documented = dict(ROW.findall(page))
    for name, kind in code.items():
        if name not in documented:
            yield f"docs/observability.md has no row for {name}"
        elif documented[name] != kind:
            yield f"docs/observability.md calls {name} a {documented[name]}; it is a {kind}"
        if kind == "histogram" and not name.endswith(UNITS) and name != "serin_batch_rows":
            yield f"{name}: the name of a histogram ends with its unit"
        if re.search(r"_(ms|milliseconds|percent|kb|mb|minutes)(_|$)", name):
            yield f"{name}: Prometheus's units are seconds, bytes and ratios"
    for name in documented.keys() - code.keys():
        yield f"docs/observability.md has a row for {name}, which nothing registers"
    for where, text in expressions(root):
        for name in USED.findall(text):
            plain = re.sub(r"_(bucket|sum|count)$", "", name) if name not in code else name
            if plain not in code and name not in NOT_METRICS:
                yield f"{where}: nothing registers {name}"
    rules = (root / "deploy/prometheus/serin.rules.yaml").read_text()
    tests = (root / "deploy/prometheus/serin.rules.test.yaml").read_text()
    for alert in re.findall(r"- alert: (\w+)", rules):
        if f"\n### {alert}\n" not in page:
            yield f"docs/observability.md does not say what to do about {alert}"
        looks = re.findall(rf"alertname: {alert}(\}}|\n\s+exp_alerts)", tests)
        if len(set(looks)) != 2:
            yield f"serin.rules.test.yaml: {alert} has to fire once, and once not to"
    for section in re.findall(r"^### (Serin\w+)$", page, re.M):
        if f"- alert: {section}\n" not in rules:
            yield f"docs/observability.md: there is no alert {section}"


def main():
    found = list(offences(pathlib.Path(sys.argv[1])))
    print("\n".join(found) if found else "metrics, their documentation, rules and dashboards agree")
    sys.exit(1 if found else 0)


main()
