# SPDX-License-Identifier: Apache-2.0
"""A version that crashes, hangs, answers garbage or is 30 % slower goes back: real workers of the example, spoiled in one way each.
What fails from the start, or answers 5xx, is in test_up.py."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from worker import ROOT, SERIN, SLOW

# Half of the requests at once, steps of seconds, margins that some hundred requests can prove.
ROLLOUT = ("{{initialWeight: 50, stepWeight: 50, interval: 3s, progressDeadline: 40s, undoWindow: 1s, analysis: "
           "{{falseRollback: 0.05, falsePromotion: 0.3, warmupRequests: 0, metrics: [{metrics}]}}}}")
ERRORS = ROLLOUT.format(metrics="{name: errorRate, margin: 30%}")
PATIENT = "  resources: {cpu: '1'}\n  resilience: {timeout: 4s, firstTokenTimeout: 1s}\n"


@pytest.fixture
def package(tmp_path):
    """package(name, pattern, by, …): the example with some of its model.yaml replaced; few steps, so that a test costs little."""
    def make(name, *changes):
        folder = shutil.copytree(ROOT / "examples/glyphs/package", tmp_path / name)
        text = (folder / "model.yaml").read_text().replace("steps: {default: 12,", "steps: {default: 2,")
        text = text.replace("description: ", f"description: {name}. ")
        for pattern, by in changes:
            text, found = re.subn(pattern, by, text)
            assert found == 1, pattern
        (folder / "model.yaml").write_text(text)
        shutil.rmtree(folder / "attestations", ignore_errors=True)
        subprocess.run([SERIN, "package", "seal", folder], check=True, capture_output=True)
        return folder
    return make


@contextlib.contextmanager
def rolling(up, name, stable, candidate, rollout, rate=40):
    """Traffic of two versions, the second a candidate."""
    up.apply(name, stable, rollout, PATIENT)
    assert up.serving(name), up.log()
    load = up.load(name, rate)
    try:
        up.apply(name, candidate, rollout, PATIENT)
        yield
    finally:
        load.send_signal(signal.SIGINT)
        load.communicate(timeout=60)
        assert up.serin("delete", name).returncode == 0


def ended(up, name):
    """How the rollout ended, and why."""
    assert up.until(lambda: up.json("rollout", "status", name)["ending"] != "none"), up.log()
    rollout = up.json("rollout", "status", name)
    return rollout["ending"], rollout["reason"], rollout["message"]


def pid_of(up, name, label):
    for version in up.service(name)["versions"]:
        for replica in version["replicas"]:
            if version["label"] == label and replica["state"] == "ready":
                return replica["pid"]
    return None


def has_traffic(up, name):
    return up.until(lambda: up.json("rollout", "status", name)["weight"] == 50)


def test_one_that_crashes_while_it_serves(up, package):
    with rolling(up, "crashes", package("good"), package("crashes"), ERRORS):
        assert has_traffic(up, "crashes")
        over = threading.Event()

        def kill():
            while not over.is_set():
                with contextlib.suppress(ProcessLookupError):
                    if pid := pid_of(up, "crashes", "v2"):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)

        killing = threading.Thread(target=kill)
        killing.start()
        ending = ended(up, "crashes")
        over.set()
        killing.join()
        assert ending[0] == "rolledBack" and ending[1] in ("Harmful", "CrashLoop"), ending
        assert up.until(lambda: {up.ask("crashes") for _ in range(10)} == {(200, "v1")})


def test_one_that_stops(up, package):
    with rolling(up, "stops", package("good"), package("stops"), ERRORS):
        assert has_traffic(up, "stops")
        assert up.until(lambda: pid_of(up, "stops", "v2"))
        os.kill(pid_of(up, "stops", "v2"), signal.SIGSTOP)
        ending = ended(up, "stops")
        assert ending[:2] == ("rolledBack", "Harmful"), ending
        assert up.until(lambda: {up.ask("stops") for _ in range(10)} == {(200, "v1")})


def test_one_that_answers_garbage(up, package):
    # Every pixel is black, with status 200.
    black = package("black", (r"range: \[-1, 1\]", "range: [100, 101]"), (r"(?s)golden:\n.*", ""), (r"(?s)files:\n.*?inputs:", "inputs:"))
    shutil.rmtree(black / "golden")
    subprocess.run([SERIN, "package", "seal", black], check=True, capture_output=True)
    quality = ROLLOUT.format(metrics="{name: errorRate, margin: 30%}, {name: quality, scorer: wellFormed, margin: 20%}")
    with rolling(up, "garbage", package("good"), black, quality):
        ending = ended(up, "garbage")
        assert ending[:2] == ("rolledBack", "Harmful") and "quality" in ending[2], ending


def test_one_that_is_30_percent_slower(up, tmp_path):
    def that_takes(milliseconds):
        folder = shutil.copytree(SLOW, tmp_path / f"takes-{milliseconds}-ms")
        text = (folder / "model.yaml").read_text().replace("{name: seconds, kind: number, default: 0.0,",
                                                           f"{{name: seconds, kind: number, default: 0.0{milliseconds},")
        (folder / "model.yaml").write_text(text.replace("{x: 21.0}", "{x: 21.0, seconds: 0}"))
        subprocess.run([SERIN, "package", "seal", folder], check=True, capture_output=True)
        return folder
    times = ROLLOUT.format(metrics="{name: errorRate, margin: 30%}, {name: latency, quantile: 0.5, margin: 20%}")
    with rolling(up, "slower", that_takes(20), that_takes(26), times, rate=15):
        ending = ended(up, "slower")
        assert ending[:2] == ("rolledBack", "Harmful") and "latency" in ending[2], ending
