# SPDX-License-Identifier: Apache-2.0
"""Copies of requests, as real processes: a shadow rollout, whose candidate no user gets, and a mirror."""
import json
import signal
import urllib.request

from platform_of_this_machine import Model

QUICK = ("{strategy: shadow, interval: 2s, initialWeight: 50, stepWeight: 50, undoWindow: 5s, progressDeadline: 30s, "
         "analysis: {falsePromotion: 0.3, metrics: [{name: errorRate, margin: 30%}]}}")


def roll(up, models, name, way="good", more=""):
    """A rollout under load until it is over; what load saw of it as long as it ran, and its last status."""
    Model.spoiled.clear()
    up.apply(name, models.package(name + "-1"), QUICK)
    assert up.serving(name), up.log()
    up.apply(name, models.package(name + "-2", way), QUICK, more)
    assert up.until(lambda: up.json("rollout", "status", name)["weight"] == 50), up.log()
    Model.spoiled.set()
    load = up.load(name)
    answers = set()

    def over():
        seen = {up.ask(name) for _ in range(5)}
        status = up.json("rollout", "status", name)
        if status["ending"] == "none":
            answers.update(seen)
        return status["ending"] != "none"

    assert up.until(over), up.log()
    load.send_signal(signal.SIGINT)
    summary = load.communicate(timeout=60)[0]
    rows = [row.split() for row in summary.splitlines() if row.startswith("v")]
    assert rows and all(row[3:5] == ["0.0", "%"] for row in rows), summary
    return answers, up.json("rollout", "status", name)


def gateway_metrics(up):
    with urllib.request.urlopen(up.url() + "/metrics", timeout=30) as answer:
        return answer.read().decode()


def test_a_good_version_is_promoted_that_no_user_had_before(up, models):
    answers, rollout = roll(up, models, "good")
    assert rollout["ending"] == "promoted", rollout
    assert answers == {(200, "v1")}
    assert rollout["metrics"][0]["candidateCount"] > 0
    assert rollout["agreement"]["compared"] > 0
    assert rollout["agreement"]["identical"] == rollout["agreement"]["compared"], "both paint the same dot"
    assert up.until(lambda: up.ask("good") == (200, "v2"))
    assert " 100.0 % identical" in up.serin("rollout", "status", "good").stdout
    assert 'serin_gateway_shadow_total{service="good",version="v2",outcome="answered"}' in gateway_metrics(up)


def test_a_version_that_answers_500_goes_back_and_no_user_saw_it(up, models):
    answers, rollout = roll(up, models, "bad", "fails")
    assert (rollout["ending"], rollout["reason"]) == ("rolledBack", "Harmful"), rollout
    assert answers == {(200, "v1")}
    assert rollout["agreement"]["notCompared"]["failed"] > 0
    assert {up.ask("bad") for _ in range(20)} == {(200, "v1")}


def test_a_version_that_hangs_goes_back_and_delays_nobody(up, models):
    answers, rollout = roll(up, models, "hung", "hangs", "  resilience: {timeout: 2s, firstTokenTimeout: 1s}\n")
    assert (rollout["ending"], rollout["reason"]) == ("rolledBack", "Harmful"), rollout
    assert answers == {(200, "v1")}


def test_a_mirror_gets_copies(up, models):
    Model.spoiled.clear()
    up.apply("second", models.package("second-1"))
    up.apply("first", models.package("first-1"), "{}", "  resilience: {mirror: {service: second}}\n")
    assert up.serving("first") and up.serving("second"), up.log()
    for _ in range(10):
        assert up.ask("first") == (200, "v1")
    counted = 'serin_gateway_mirror_total{service="first",to="second",outcome="answered"} 10\n'
    assert up.until(lambda: counted in gateway_metrics(up)), gateway_metrics(up)
    assert json.dumps(up.service("second")["versions"][0]["traffic"]) == "null", "copies are no evidence of its version"
