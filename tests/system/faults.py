#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Faults under load: a real `serin up` with clients of every kind, while workers, the control plane and the gateway are killed,
stopped and slowed down at random.

Usage: faults.py [--seconds N] [--seed S] [--calm]
Passes when every client got exactly what it gets undisturbed: whole streams to the bit, the same JSON, the same pictures; no
answer came later than its deadline by more than 100 ms; a gateway that was killed or stopped was replaced within 1 s, and who
repeated a stream with `Last-Event-ID` got the identical rest. The first thing that is wrong ends it. `--calm`: no faults.

One healthy worker of each service is left alone at any time, for without one there is nobody to answer; so is the control plane
while a gateway is replaced. A worker is killed only after ten seconds of service: sooner would be a crash loop, which is started
again each 30 s. How long this machine holds up whoever wants to run is measured all the while by a thread that only sleeps, and
taken off what answers and replacements were late by.
"""
import argparse
import collections
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from fault_clients import Clients, Wrong
from gateway import UnixConnection
from platform_of_this_machine import Up, alive
from worker import ROOT, SERIN

REPLICAS = {"prose": 3, "glyphs": 3}
# Retries that fail together when a worker stops are not to be refused for their number.
RESILIENCE = """  replicas: {{min: {replicas}, max: {replicas}}}
  resources: {{cpu: "1"}}
  resilience:
    timeout: 30s
    firstTokenTimeout: 5s
    retries: {{attempts: 3, minRetryConcurrency: 100}}
"""
SERVED_WELL = 10  # seconds: a run that is no crash loop's
REPLACED_WITHIN = 1.0


class Metronome:
    """How late a thread wakes that asked to sleep for 5 ms."""
    STEP = 0.005

    def __init__(self):
        self.late = collections.deque(maxlen=40_000)  # when it ought to have woken, and when it did
        self.worst = 0.0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            before = time.monotonic()
            time.sleep(self.STEP)
            late = time.monotonic() - before - self.STEP
            if late > 0.005:
                self.late.append((before + self.STEP, before + self.STEP + late))
                self.worst = max(self.worst, late)

    def held_up(self, since, until):
        """How much of the time between two moments a thread that wanted to run did not."""
        return sum(max(0, min(end, until) - max(begin, since)) for begin, end in list(self.late))


class Faults:
    """A seeded schedule of faults; knows which processes it has hurt."""

    def __init__(self, up, dice, metronome, wrong):
        self.up, self.dice, self.metronome, self.wrong = up, dice, metronome, wrong
        self.log = []  # (begin, end or None, what)
        self.done = collections.Counter()
        self.hurt = {}  # pid: until when, or for ever
        self.seen_ready = {}  # pid: since when
        self.gateway_free = 0.0
        self.control_free = 0.0
        self.worst_replacement = 0.0
        self.again = collections.Counter()  # tries after the first, by what ended the one before

    # What runs

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.up.state}/local.db?mode=ro", uri=True, timeout=10)) as book:
            return book.execute(query).fetchall()

    def workers(self, service):
        """Pids that the gateway may send requests to and that were not hurt, with how long they have served."""
        now, found = time.monotonic(), {}
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = UnixConnection(self.up.state / "gateway.sock")
            connection.request("GET", "/config")
            told = json.loads(connection.getresponse().read())["services"]
            connection.close()
            serials = [pathlib.Path(replica["url"].rstrip(":")).stem for one in told if one["name"] == service
                       for version in one["versions"] for replica in version["replicas"]]
            pids = dict(self.rows("SELECT serial, pid FROM replicas"))
            for pid in (pids.get(int(serial)) for serial in serials):
                if pid and alive(pid) and self.hurt.get(pid, 0) < now:
                    found[pid] = now - self.seen_ready.setdefault(pid, now)
        return found

    def gateway(self):
        serial = os.readlink(self.up.state / "gateway.sock").removeprefix("gateway-").removesuffix(".sock")
        for (pid,) in self.rows(f"SELECT pid FROM gateways WHERE serial = {int(serial)}"):
            return pid if alive(pid) else None
        return None

    # What is done to it

    def note(self, what):
        self.done[" ".join(what.split()[:2])] += 1
        self.log.append([time.monotonic(), None, what])
        return self.log[-1]

    def send(self, pid, how):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)

    def later(self, seconds, act):
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()

    def stop(self, pid, who, seconds):
        entry = self.note(f"stop {who} {pid} for {seconds:.1f} s")
        self.hurt[pid] = time.monotonic() + seconds + 1
        self.send(pid, signal.SIGSTOP)

        def go_on():
            self.send(pid, signal.SIGCONT)
            entry[1] = time.monotonic()
        self.later(seconds, go_on)

    def slow(self, pid, who, seconds):
        entry = self.note(f"slow {who} {pid} for {seconds:.1f} s")
        self.hurt[pid] = time.monotonic() + seconds + 1
        until = time.monotonic() + seconds

        def crawl():
            while time.monotonic() < until and alive(pid):
                self.send(pid, signal.SIGSTOP)
                time.sleep(0.04)
                self.send(pid, signal.SIGCONT)
                time.sleep(0.01)
            entry[1] = time.monotonic()
        threading.Thread(target=crawl, daemon=True).start()

    def hurt_worker(self):
        service = self.dice.choice(list(REPLICAS))
        healthy = self.workers(service)
        if len(healthy) < 2:
            return
        pid = self.dice.choice(sorted(healthy))
        how = self.dice.choice(["kill", "stop", "slow"])
        if how == "kill" and healthy[pid] > SERVED_WELL:
            self.hurt[pid] = float("inf")
            self.note(f"kill {service} {pid}")[1] = time.monotonic()
            self.send(pid, signal.SIGKILL)
        elif how == "slow":
            self.slow(pid, service, self.dice.uniform(1, 4))
        else:
            self.stop(pid, service, self.dice.uniform(0.3, 4))

    def hurt_control(self):
        if time.monotonic() < self.control_free:
            return
        how = self.dice.choice(["kill", "stop", "slow"])
        seconds = self.dice.uniform(0.3, 3)
        if how == "kill":
            entry = self.note("kill control")
            self.up.kill()
            time.sleep(seconds / 3)
            self.up.start()
            entry[1] = time.monotonic()
        elif how == "stop":
            self.stop(self.up.process.pid, "control", seconds)
        else:
            self.slow(self.up.process.pid, "control", seconds)
        self.control_free = time.monotonic() + (0 if how == "kill" else seconds) + 2
        self.gateway_free = max(self.gateway_free, self.control_free)

    def hurt_gateway(self):
        """Its successor answers within a second; the control plane is left alone meanwhile."""
        if time.monotonic() < self.gateway_free or not (pid := self.gateway()):
            return
        self.count_tries()
        how = self.dice.choice(["kill", "stop"])
        entry = self.note(f"{how} gateway {pid}")
        self.send(pid, signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        while not self.successor_answers():
            if time.monotonic() - entry[0] > 30:
                raise Wrong(f"no gateway came after {entry[2]}")
        entry[1] = time.monotonic()
        took = entry[1] - entry[0]
        own = took - self.metronome.held_up(entry[0], entry[1])
        self.worst_replacement = max(self.worst_replacement, own)
        if own > REPLACED_WITHIN:
            raise Wrong(f"{entry[2]}: its successor answered after {took:.2f} s, of which the machine held up {took - own:.2f} s")
        # One that ends within ten seconds is started again later.
        self.gateway_free = entry[1] + SERVED_WELL + 1
        self.control_free = max(self.control_free, entry[1] + 0.5)

    def count_tries(self):
        """Of the present gateway, before it ends."""
        with contextlib.suppress(OSError), urllib.request.urlopen(self.up.url() + "/metrics", timeout=30) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("serin_gateway_retries_total{"):
                    self.again[line.split('after="')[1].split('"')[0]] += int(float(line.rsplit(" ", 1)[1]))

    def successor_answers(self):
        with contextlib.suppress(OSError, ValueError):
            where = urllib.parse.urlsplit(self.up.url())
            connection = http.client.HTTPConnection(where.hostname, where.port, timeout=5)
            with contextlib.closing(connection), contextlib.suppress(http.client.HTTPException):
                connection.request("GET", "/health/live")
                return connection.getresponse().status == 200
        return False

    def run(self, until):
        acts = [self.hurt_worker] * 13 + [self.hurt_control] * 4 + [self.hurt_gateway] * 3
        try:
            while time.monotonic() < until and not self.wrong:
                self.dice.choice(acts)()
                time.sleep(self.dice.uniform(0.1, 1.2))
        except Wrong as wrong:
            self.wrong.append(str(wrong))

    # What clients ask

    def near(self, since, until):
        return [f"{begin - since:+.2f} s: {what}" for begin, end, what in self.log
                if begin <= until and (end or until) >= since - 1]

    def cut_by_gateway(self, since, until):
        """Whether a gateway was hurt meanwhile, and its connections with it."""
        return any("gateway" in what and begin <= until + 0.05 and (end or until) >= since
                   for begin, end, what in list(self.log))


def attested_prose(folder):
    shutil.copytree(ROOT / "examples/prose/package", folder)
    subprocess.run([SERIN, "package", "verify", "--reproducible", folder], check=True, capture_output=True)
    return folder


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", action="store_true")
    options = parser.parse_args()
    wrong, metronome = [], Metronome()
    up = Up()
    try:
        packages = {"prose": attested_prose(up.state / "prose-package"), "glyphs": ROOT / "examples/glyphs/package"}
        for name, package in packages.items():
            up.apply(name, package, more=RESILIENCE.format(replicas=REPLICAS[name]))
        for name in packages:
            assert up.serving(name), up.log()
        clients = Clients(up.url(), metronome, wrong)
        faults = Faults(up, random.Random(options.seed), metronome, wrong)
        clients.learn()
        clients.faults = faults
        for service in REPLICAS:  # they have served for a while
            for pid in faults.workers(service):
                faults.seen_ready[pid] = time.monotonic() - SERVED_WELL
        until = time.monotonic() + options.seconds
        threads = [threading.Thread(target=clients.run, args=(random.Random(f"{options.seed}/{i}"), until))
                   for i in range(options.clients)]
        for thread in threads:
            thread.start()
        if not options.calm:
            faults.run(until)
        for thread in threads:
            thread.join()
        if not wrong and not up.until(lambda: all(len(faults.workers(name)) == n for name, n in REPLICAS.items())):
            wrong.append(f"not all workers are back: {up.service('prose')} {up.service('glyphs')}")
        faults.count_tries()
    except Wrong as found:
        wrong.append(str(found))
    finally:
        if wrong:
            logs = tempfile.mkdtemp(prefix="faults")
            shutil.copytree(up.state / "logs", logs, dirs_exist_ok=True)
            shutil.copy(up.state / "up.log", logs)
            wrong[0] += f"\n  logs: {logs}"
        up.close()
    print(f"{options.seconds:.0f} s, {options.clients} clients, seed {options.seed}")
    print("faults:", dict(sorted(faults.done.items())))
    print("clients:", dict(sorted(clients.seen.items())))
    print("tries that went on elsewhere, by what ended the one before:", dict(sorted(faults.again.items())))
    print(f"latest answer past its deadline: {max(0, clients.latest) * 1000:.0f} ms; worst replacement of a gateway: "
          f"{faults.worst_replacement * 1000:.0f} ms; the machine held up a sleeper by {metronome.worst * 1000:.0f} ms at most")
    print("\n".join(wrong[:1]) or "nothing was lost, late or wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
