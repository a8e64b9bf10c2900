# SPDX-License-Identifier: Apache-2.0
"""`serin up`: services on this machine, and versions that take over or go back, as real processes."""
import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import threading

import pytest

from platform_of_this_machine import Model, alive
from worker import SERIN

# Steps of seconds, and margins that some hundred requests can prove.
QUICK = ("{interval: 2s, stepWeight: 45, undoWindow: 5s, progressDeadline: 30s, analysis: {falsePromotion: 0.3, "
         "metrics: [{name: errorRate, margin: 30%}]}}")
HELD = QUICK.replace("interval: 2s", "interval: 1h").replace("undoWindow: 5s, ", "")


@pytest.fixture
def served(up, models, own_name):
    """A service of the test's own whose v1 serves."""
    Model.spoiled.clear()
    up.apply(own_name, models.package(own_name + "-1"), QUICK)
    assert up.serving(own_name), up.log()
    return own_name


def ended(up, name):
    """The rollout once it is over."""
    assert up.until(lambda: up.json("rollout", "status", name)["ending"] != "none"), up.log()
    return up.json("rollout", "status", name)


def test_a_second_version_is_promoted_under_load(up, models, served):
    assert up.ask(served) == (200, "v1")
    assert up.apply(served, models.package(served + "-2"), QUICK) == f"{served} configured\n"
    load = up.load(served)
    rollout = ended(up, served)
    assert rollout["ending"] == "promoted", rollout
    assert rollout["metrics"][0]["candidateCount"] > 0
    assert up.until(lambda: up.ask(served) == (200, "v2"))
    assert up.until(lambda: [v["state"] for v in up.service(served)["versions"]] == ["retired", "stable"])
    load.send_signal(signal.SIGINT)
    summary = load.communicate(timeout=60)[0]
    assert "v1" in summary and "v2" in summary
    rows = [row.split() for row in summary.splitlines() if row.startswith("v")]
    assert rows and all(row[3:5] == ["0.0", "%"] for row in rows), summary
    reasons = [json.loads(line)["reason"] for line in up.serin("events", served, "-o", "json").stdout.splitlines()]
    assert reasons == ["Created", "Starting", "Serving", "Configured", "RolloutStarted", "WeightChanged", "WeightChanged",
                       "Promoted", "Retired"]


def test_a_version_that_answers_500_goes_back(up, models, served):
    up.apply(served, models.package(served + "-2", "fails"), QUICK)
    assert up.until(lambda: up.json("rollout", "status", served)["weight"] == 10)
    Model.spoiled.set()
    load = up.load(served)
    rollout = ended(up, served)
    assert (rollout["ending"], rollout["reason"]) == ("rolledBack", "Harmful"), rollout
    assert "errorRate" in rollout["message"]
    load.send_signal(signal.SIGINT)
    load.communicate(timeout=60)
    assert {up.ask(served) for _ in range(20)} == {(200, "v1")}


def test_a_version_that_hangs_goes_back(up, models, served):
    up.apply(served, models.package(served + "-2", "hangs"), QUICK, "  resilience: {timeout: 2s, firstTokenTimeout: 1s}\n")
    assert up.until(lambda: up.json("rollout", "status", served)["weight"] == 10)
    Model.spoiled.set()
    load = up.load(served)
    rollout = ended(up, served)
    assert (rollout["ending"], rollout["reason"]) == ("rolledBack", "Harmful"), rollout
    load.send_signal(signal.SIGINT)
    load.communicate(timeout=60)


def test_a_version_that_ends_as_it_starts_goes_back_with_its_last_words(up, models, served):
    up.apply(served, models.package(served + "-2", "crashes"), QUICK)
    rollout = ended(up, served)
    assert (rollout["ending"], rollout["reason"]) == ("rolledBack", "CrashLoop"), rollout
    assert "--allow-command" in rollout["message"]
    assert up.ask(served) == (200, "v1")


def test_who_comes_before_the_first_worker_or_between_two_waits_for_it(up, models):
    name = "waits"
    recreate = "{strategy: recreate}"
    Model.spoiled.clear()
    up.apply(name, models.package("waits-1"), recreate)
    answers = []
    assert up.until(lambda: answers.append(up.ask(name)) or answers[-1] != (404, None))  # nobody knew its name yet
    assert answers[-1] == (200, "v1")
    answers.clear()
    over = threading.Event()

    def ask():
        while not over.is_set():
            answers.append(up.ask(name))

    asking = threading.Thread(target=ask)
    asking.start()
    up.apply(name, models.package("waits-2"), recreate)
    assert up.until(lambda: (200, "v2") in answers)
    over.set()
    asking.join()
    assert set(answers) == {(200, "v1"), (200, "v2")}


def test_a_killed_control_plane_loses_nothing(up, models, served):
    up.apply(served, models.package(served + "-2"), HELD)
    assert up.until(lambda: up.json("rollout", "status", served)["weight"] == 10)
    load = up.load(served)
    assert up.until(lambda: up.json("rollout", "status", served)["requests"] > 50)
    before = up.json("rollout", "status", served)
    workers = up.replica_pids(served)
    up.kill()
    # Nobody decides, and everybody is served.
    assert all(alive(pid) for pid in workers)
    assert {up.ask(served)[0] for _ in range(50)} == {200}
    up.start()
    assert up.replica_pids(served) == workers
    after = up.json("rollout", "status", served)
    assert (after["number"], after["weight"]) == (before["number"], 10)
    assert up.until(lambda: up.json("rollout", "status", served)["requests"] > before["requests"])
    assert up.serin("rollout", "promote", served).returncode == 0
    assert up.until(lambda: up.ask(served) == (200, "v2"))
    assert up.serin("rollout", "undo", served).returncode == 0
    assert up.until(lambda: up.ask(served) == (200, "v1"))
    load.send_signal(signal.SIGINT)
    load.communicate(timeout=60)


def test_who_may_enter_is_what_the_manifest_says(up, models, served, tmp_path):
    keys = tmp_path / "keys.yaml"

    def accept(key):
        hashed = subprocess.run([SERIN, "key", "hash"], input=key + "\n", capture_output=True, text=True, check=True).stdout
        keys.write_text(f"keys:\n- {{name: team, hashes: [{hashed.strip()}]}}\n")

    accept("first")
    assert up.ask(served)[0] == 200, "until then everybody may"
    up.apply(served, up.service(served)["model"], QUICK, f"  access: {{keyFile: {keys}}}\n")
    assert up.until(lambda: up.ask(served)[0] == 401), up.log()
    assert up.ask(served, key="first") == (200, "v1")
    assert up.ask(served, key="second")[0] == 401
    accept("second")
    assert up.until(lambda: up.ask(served, key="second")[0] == 200), "read again without a restart"
    assert up.ask(served, key="first")[0] == 401

    # The commands have it from the environment, a file or the line.
    picture = tmp_path / "picture.png"
    refused = up.serin("generate", served, "-o", picture)
    assert refused.returncode == 1 and "answered 401" in refused.stderr, refused.stderr
    (tmp_path / "key").write_text("second\n")
    for given, environment in [(["--api-key-file", tmp_path / "key"], {}), ([], {"SERIN_API_KEY": "second"}),
                               (["--api-key", "second"], {"SERIN_API_KEY": "first"})]:
        ran = up.serin("generate", served, "-o", picture, *given, environment=environment)
        assert ran.returncode == 0 and picture.read_bytes().startswith(b"\x89PNG"), ran.stderr
    load = up.serin("load", served, "--rate", "20", "--duration", "500ms", environment={"SERIN_API_KEY": "second"})
    assert "v1" in load.stdout and " 0.0 % " in load.stdout, load.stdout
    load = up.serin("load", served, "--rate", "20", "--duration", "500ms", "--api-key", "first")
    assert load.returncode == 1 and "the first that failed: the service answered 401: " in load.stdout, load.stdout
    wrong = up.serin("generate", served, "-o", tmp_path / "sound.wav", "--api-key", "second")
    assert wrong.returncode == 2 and "made image/png, not audio/wav" in wrong.stderr and not (tmp_path / "sound.wav").exists()


def test_the_gateway_speaks_tls(own_up, models, localhost, tmp_path):
    own = own_up(options=localhost.options)
    own.apply("safe", models.package("safe"), QUICK)
    assert own.serving("safe"), own.log()
    own.gateway = own.url().replace("127.0.0.1", "localhost")
    assert own.gateway.startswith("https://")
    stranger = own.serin("generate", "safe", "--url", own.gateway, "-o", tmp_path / "a.png")
    assert stranger.returncode == 1 and "certificate" in stranger.stderr, stranger.stderr
    ran = own.serin("generate", "safe", "--url", own.gateway, "--ca-file", localhost.authority, "-o", tmp_path / "a.png")
    assert ran.returncode == 0, ran.stderr


def test_commands_say_what_is_wrong(up, served):
    wrong = up.serin("apply", "-f", "-", text="apiVersion: serin.dev/v1alpha1\nkind: GenerativeService\nmetadata: {name: x}\n"
                                              "spec:\n  model: x:1\n  rolout: {}\n")
    assert wrong.returncode == 2
    assert "stdin:6:3: spec.rolout: is not a field; did you mean rollout?" in wrong.stderr
    assert "did you mean " + served in up.serin("get", served + "x").stderr
    assert up.serin("rollout", "pause", served).returncode != 0
    assert "did you mean " + served in up.serin("events", served + "x").stderr
    assert served in up.serin("get", "-o", "name").stdout.split()
    explained = subprocess.run([SERIN, "explain", "spec.rollout.interval"], capture_output=True, text=True)
    assert "default 1h" in explained.stdout.replace('"', "")
    differs = up.serin("diff", "-f", "-", text=f"apiVersion: serin.dev/v1alpha1\nkind: GenerativeService\n"
                                               f"metadata: {{name: {served}}}\nspec:\n  model: {up.service(served)['model']}\n"
                                               f"  replicas: {{min: 2}}\n")
    assert differs.returncode == 1
    assert "+     min: 2" in differs.stdout and "-     min: 1" in differs.stdout
    # What only stands elsewhere is no difference.
    moved = up.serin("diff", "-f", "-", text=f"spec:\n  replicas: {{min: 2}}\n  model: {up.service(served)['model']}\n"
                                             f"metadata: {{name: {served}}}\nkind: GenerativeService\napiVersion: serin.dev/v1alpha1\n")
    def changed(of):
        return sorted(line for line in of.stdout.splitlines() if line.startswith(("+", "-")))
    assert changed(moved) == changed(differs)


def test_a_deleted_service_is_gone_with_its_workers(up, served):
    workers = up.replica_pids(served)
    assert up.serin("delete", served).returncode == 0
    assert not any(alive(pid) for pid in workers)
    assert up.ask(served)[0] == 404


def test_down_ends_everything(own_up, models):
    own = own_up()
    own.apply("last", models.package("last"), QUICK)
    assert own.serving("last"), own.log()
    workers = own.replica_pids("last")
    assert own.down().returncode == 0
    assert own.process.returncode == 0
    assert not any(alive(pid) for pid in workers)


def processes_of(state):
    """Pids of whatever has the state folder on its command line."""
    found = set()
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(state).encode() in line.read_bytes():
                found.add(int(line.parent.name))
    return {pid for pid in found if alive(pid)}


def test_a_start_that_fails_starts_nothing_and_leaves_what_runs(own_up, models):
    own = own_up()
    own.apply("kept", models.package("kept"), QUICK)
    assert own.serving("kept"), own.log()

    def fails():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            words = ["--metrics-port", str(taken.getsockname()[1])]
            ran = own.serin("up", "--plain", "--port", "0", *words)
        assert ran.returncode != 0 and "Address already in use" in ran.stderr, ran.stderr

    assert own.down().returncode == 0
    assert not processes_of(own.state)
    fails()
    assert not processes_of(own.state)

    own.start()
    assert own.serving("kept"), own.log()
    own.process.terminate()
    assert own.process.wait(timeout=60) == 0
    before = processes_of(own.state)
    assert len(before) == 2, "the gateway and the worker serve on"
    fails()
    assert processes_of(own.state) == before
    assert own.ask("kept") == (200, "v1")


def test_what_keeps_it_from_the_background_is_said_and_what_ends_what_runs(tmp_path, request):
    state = tmp_path / "s"
    request.addfinalizer(lambda: subprocess.run([SERIN, "down", "--state", state], capture_output=True, timeout=60))

    def detached(port, *more):
        return subprocess.run([SERIN, "up", "--detach", "--state", state, "--port", str(port), *more], capture_output=True, text=True, timeout=60)

    assert "cannot read /nowhere.yaml" in detached(0, "-f", "/nowhere.yaml").stderr
    assert not state.exists(), "it was started for a file that is not there"

    for half, said in ((["--tls-key", __file__], "--tls-certificate and --tls-key go together"),
                       (["--control-address", "127.0.0.1:0"], "with TLS and keys, or not at all")):
        assert said in detached(0, *half).stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = detached(port).stderr
        assert f"the control plane ended at once: cannot listen on 127.0.0.1:{port}: Address already in use; its log is {state}" in said, said
    said = detached(0).stdout
    assert said.startswith("serin is up: ") and f"; serin down --state {state} ends it\n" in said, said
    assert detached(1).stdout == said.replace("is up", "is up already, with the options it began with"), "the line's own --port does nothing"
    assert subprocess.run([SERIN, "down", "--state", state], capture_output=True, timeout=60).returncode == 0
