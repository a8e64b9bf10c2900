#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures a second of the `glyphs` example through HTTP, PNG included, beside a bare loop over the same model at its best
batch size, with as many threads; and latency at half of that rate, with arrivals at random.

Usage: glyphs.py [--rounds N] [--seconds N] [--threads N]
"""
import argparse
import concurrent.futures
import contextlib
import http.client
import random
import statistics
import subprocess
import threading
import time

from measure import CACHE, CORES, ROOT, Request, claim, in_turn, load, machine, ratios, spread, worker

PACKAGE = ROOT / "examples/glyphs/package"
PYTHON = CACHE / "venvs/torch/bin/python"
REQUEST = Request("/generate", b"{}")  # all defaults: 12 guided steps, a seed of its own each
CONNECTIONS = 32
BATCHES = (4, 8, 16, 32)


class Loop:
    """The bare loop in a process of its own; it waits between measurements."""

    def __init__(self, threads, seconds):
        self.process = subprocess.Popen(
            [PYTHON, ROOT / "bench/glyphs_loop.py", PACKAGE / "model.pt", str(threads), str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def per_second(self, batch):
        self.process.stdin.write(f"{batch}\n")
        return float(self.process.stdout.readline())


def latencies(port, per_second, seconds):
    """Latencies in seconds of requests that come at random times, whether or not earlier ones were answered."""
    dice = random.Random(1)
    local = threading.local()

    def ask(due):
        # A client's own threads must not make it late without being counted: time runs from when the request was due.
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        local.connection.request("POST", REQUEST.path, REQUEST.body, REQUEST.headers)
        answer = local.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}")
        return time.perf_counter() - due

    with concurrent.futures.ThreadPoolExecutor(128) as clients:
        due, asked = time.perf_counter(), []
        end = due + seconds
        while (due := due + dice.expovariate(per_second)) < end:
            time.sleep(max(0, due - time.perf_counter()))
            asked.append(clients.submit(ask, due))
        return [one.result() for one in asked]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(machine(), f"{options.threads} threads of the model")
    with contextlib.ExitStack() as running:
        loop = running.enter_context(Loop(options.threads, options.seconds))
        sweep = {batch: loop.per_second(batch) for batch in BATCHES}
        best = max(sweep, key=sweep.get)
        print("bare loop, pictures a second by batch size:", ", ".join(f"{n}: {v:.1f}" for n, v in sweep.items()))
        ours = running.enter_context(worker(PACKAGE, "--threads", str(options.threads), cores=CORES))
        seen = in_turn(options.rounds, {
            f"bare loop, batch {best}": lambda: loop.per_second(best),
            f"serin, {CONNECTIONS} connections": lambda: load(ours.process.pid, ours.port, REQUEST, options.seconds,
                                                              CONNECTIONS).per_second})
        for name, values in seen.items():
            print(f"{name}: {spread(values, 1)} pictures/s")
        theirs, mine = seen.values()
        claim("glyphs, pictures a second beside the bare loop", statistics.median(ratios(mine, theirs)), 0.9, at_least=True)
        half = statistics.median(mine) / 2
        rounds = [sorted(latencies(ours.port, half, 4 * options.seconds)) for _ in range(options.rounds)]
        p50, p99 = ([1000 * times[int(q * len(times))] for times in rounds] for q in (0.5, 0.99))
        print(f"at {half:.1f} pictures/s: p50 {spread(p50)} ms, p99 {spread(p99)} ms")
        claim("glyphs at half load, p99 in times of p50", statistics.median(ratios(p99, p50)), 2)


if __name__ == "__main__":
    main()
