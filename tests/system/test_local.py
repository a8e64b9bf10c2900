# SPDX-License-Identifier: Apache-2.0
"""This machine as a platform: real workers and a real gateway below `serin up`, and what happens when each is killed."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request

import pytest

from worker import ROOT, SERIN

GLYPHS = ROOT / "examples/glyphs/package"
SLOW = ROOT / "tests/system/packages/slow"
LONG = 90  # seconds; never waited for when things are right


def until(holds, within=LONG):
    end = time.monotonic() + within
    while not (value := holds()):
        if time.monotonic() > end:
            return value
        time.sleep(0.05)
    return value


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Up:
    """`serin up` with a state folder of its own, and one service of glyphs."""

    def __init__(self, folder, **spec):
        self.state = folder / "state"
        self.manifest = folder / "glyphs.yaml"
        self.log = open(folder / "up.log", "ab")
        self.apply(**spec)
        self.start()

    def apply(self, model=GLYPHS, replicas=1, **spec):
        self.manifest.write_text(json.dumps({
            "apiVersion": "serin.dev/v1alpha1", "kind": "GenerativeService", "metadata": {"name": "glyphs"},
            "spec": {"model": str(model), "replicas": {"min": replicas, "max": replicas}, **spec}}))

    def start(self):
        self.process = subprocess.Popen(
            [SERIN, "up", "--plain", "--state", self.state, "--port", "0", "-f", self.manifest],
            stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/local.db?mode=ro", uri=True, timeout=10)) as book:
            return book.execute(query).fetchall()

    def workers(self):
        """Pids of those that are ready."""
        with contextlib.suppress(sqlite3.OperationalError):
            return [pid for pid, in self.rows("SELECT pid FROM replicas WHERE ready AND NOT leaving ORDER BY serial")]
        return []

    def messages(self):
        """Why replicas last ended."""
        with contextlib.suppress(sqlite3.OperationalError):
            return [message for message, in self.rows("SELECT message FROM replicas")]
        return []

    def events(self):
        return subprocess.run([SERIN, "events", "glyphs", "--state", self.state], capture_output=True, text=True, timeout=60).stdout

    def gateway(self):
        """The pid of the one that serves, or None while there is none."""
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            serial = os.readlink(self.state / "gateway.sock").removeprefix("gateway-").removesuffix(".sock")
            for pid, in self.rows(f"SELECT pid FROM gateways WHERE serial = {int(serial)}"):
                return pid if alive(pid) else None
        return None

    def url(self):
        port = self.rows("SELECT value FROM numbers WHERE name = 'gateway_port'")[0][0]
        return f"http://127.0.0.1:{port}"

    def ask(self, body, timeout=60):
        request = urllib.request.Request(self.url() + "/services/glyphs/generate", json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()

    def post(self, seed=7, timeout=60):
        return self.ask({"seed": seed, "character": "S"}, timeout)

    def metrics(self):
        """The gateway's."""
        with urllib.request.urlopen(self.url() + "/metrics", timeout=60) as answer:
            return answer.read().decode()

    def serves(self):
        with contextlib.suppress(OSError, http.client.HTTPException, IndexError, sqlite3.OperationalError):
            return self.post()
        return None

    def end(self):
        """Everything, by Ctrl-C or, where the supervisor was killed, by `serin down`."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(LONG) == 0
        else:
            subprocess.run([SERIN, "down", "--state", self.state], check=True, timeout=LONG, capture_output=True)
        self.log.close()


@pytest.fixture
def up():
    made = []
    with tempfile.TemporaryDirectory(prefix="sl") as folder:
        def make(**spec):
            made.append(Up(pathlib.Path(folder), **spec))
            return made[-1]
        yield make
        for one in made:
            one.end()


def test_a_killed_worker_is_replaced_and_its_answers_are_the_same(up):
    one = up(replicas=2)
    expected = until(one.serves)
    assert until(lambda: len(one.workers()) == 2 and "Serving" in one.events())
    victim = one.workers()[0]
    os.kill(victim, signal.SIGKILL)
    for _ in range(5):
        assert one.post() == expected
    assert until(lambda: len(one.workers()) == 2 and victim not in one.workers())
    assert until(lambda: "a worker ended" in one.events()), one.events()


def test_ps_and_top_call_its_processes_serin(up):
    one = up()
    assert until(one.serves)
    assert {pathlib.Path(f"/proc/{pid}/comm").read_text() for pid in (*one.workers(), one.gateway())} == {"serin\n"}


def test_who_wants_a_picture_on_the_terminal_is_told_of_files(up):
    one = up()
    assert until(one.serves)
    refused = subprocess.run([SERIN, "generate", "glyphs", "--state", one.state], capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "image/png, " in refused.stderr and "; name a file with -o" in refused.stderr, refused.stderr


def test_everything_serves_on_while_the_supervisor_is_gone_and_is_adopted_when_it_is_back(up):
    one = up()
    expected = until(one.serves)
    before = one.workers(), one.gateway()
    one.kill()
    assert one.post() == expected
    assert all(alive(pid) for pid in (*before[0], before[1]))
    one.start()
    assert until(lambda: one.process.poll() is None and (one.state / "control.sock").exists())
    assert one.post() == expected
    assert (one.workers(), one.gateway()) == before
    os.kill(before[0][0], signal.SIGKILL)
    assert until(lambda: one.workers() not in ([], before[0]))
    assert until(one.serves) == expected


def test_a_second_supervisor_of_one_folder_is_refused(up):
    one = up()
    assert until(one.serves)
    second = subprocess.run([SERIN, "up", "--plain", "--state", one.state, "--port", "0"], capture_output=True, text=True,
                            timeout=60)
    assert second.returncode != 0
    assert str(one.process.pid) in second.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_gateway_that_is_killed_or_stopped_is_replaced_and_nobody_is_refused(up, how):
    one = up()
    expected = until(one.serves)
    # Its supervisor was killed before: the socket came back from the living gateway.
    one.kill()
    one.start()
    assert until(lambda: (one.state / "control.sock").exists() and one.serves())
    before = one.gateway()
    os.kill(before, how)
    time.sleep(0.01)
    assert one.post() == expected, "it waits in the socket's queue for the successor"
    assert until(one.gateway) != before
    assert until(lambda: not alive(before))


def test_what_waits_at_a_stopped_worker_goes_to_another_at_once(up):
    patience = "85s"  # longer than a stopped worker lives
    one = up(model=SLOW, replicas=2, resilience={"firstTokenTimeout": patience, "timeout": patience})
    assert until(lambda: len(one.workers()) == 2)
    assert until(lambda: "serin_gateway_in_flight" in one.metrics())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(one.ask, {"x": 21, "seconds": 3}, 90) for _ in range(4)]
        assert until(lambda: 'serin_gateway_in_flight{service="glyphs"} 4' in one.metrics())
        os.kill(one.workers()[0], signal.SIGSTOP)
        assert len({each.result() for each in asked}) == 1
    assert 'after="late_first_byte"}' in one.metrics()


def test_random_kills_lose_no_worker_and_leave_none_behind(up):
    one = up(replicas=2)
    expected = until(one.serves)
    dice = random.Random(4)
    wrong, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                if (got := one.post(timeout=30)) != expected:
                    wrong.append(got)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(8):
        victim = dice.choice(["worker", "supervisor", "gateway"])
        if victim == "supervisor":
            one.kill()
            time.sleep(dice.random() / 2)
            one.start()
        else:
            pid = dice.choice(one.workers() or [None]) if victim == "worker" else one.gateway()
            if pid:
                os.kill(pid, signal.SIGKILL)
        time.sleep(dice.random())
    assert until(lambda: len(one.workers()) == 2 and one.serves() == expected)
    stop.set()
    asking.join()
    assert not wrong
    ours = {pid for pid, in one.rows("SELECT pid FROM replicas UNION SELECT pid FROM gateways")}
    lines = {int(path.parent.name): path.read_bytes().replace(b"\0", b" ").decode()
             for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if alive(path.parent.name)}
    strays = {pid: line for pid, line in lines.items()
              if str(one.state) in line and pid not in ours and pid != one.process.pid and " up " not in line}
    assert not strays


def test_a_worker_that_takes_too_much_memory_says_so(up):
    one = up(resources={"memory": "8Mi"})
    assert until(lambda: any("it used more than its 8 MiB of memory" in message for message in one.messages()))


def test_logs_are_where_the_page_says(up):
    one = up()
    assert until(one.serves)
    log, = (one.state / "logs/glyphs").glob("*.log")
    assert '"ready"' in log.read_text()
    assert list((one.state / "logs/_gateway").glob("*.log"))
