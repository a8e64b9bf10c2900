#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker at saturation, with clients that connect, disconnect, stall and send garbage at random.

Usage: soak.py [--seconds N] [--clients N] [--seed S]
Passes when no answered request was wrong (every picture is the one its seed gives, every text the one it gives alone),
none was lost (each is answered, or refused with 429), and the worker ends well. Prints what was seen.
"""
import argparse
import collections
import contextlib
import http.client
import json
import random
import sys
import threading
import time

from worker import ROOT, Worker

SEEDS = range(40)
GARBAGE = (b"GET / HTTP/1.1\nHost: a\n\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"POST /generate HTTP/1.1\r\n" + b"a" * 70_000,
           b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(200), bytes(range(256)) * 8,
           b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n")


def ask(worker, kind, seed):
    """Path and body of a request whose answer is a function of `seed`."""
    if kind == "glyphs":
        return "/generate", {"seed": seed, "steps": 4}
    return "/v1/completions", {"prompt": "The file", "max_tokens": 6, "seed": seed}


def content(kind, body):
    return body if kind == "glyphs" else json.loads(body)["choices"][0]["text"]


class Soak:
    """What the clients share; counters are only added to."""

    def __init__(self, workers, until, seed):
        self.workers, self.until, self.seed = workers, until, seed
        self.expected = {kind: {} for kind in workers}
        self.seen = collections.Counter()
        self.wrong = []

    def learn(self):
        """Every answer, asked for alone."""
        for kind, worker in self.workers.items():
            for seed in SEEDS:
                path, body = ask(worker, kind, seed)
                status, _, answer = worker.post(path, body)
                assert status == 200, answer
                self.expected[kind][seed] = content(kind, answer)

    def client(self, number):
        dice = random.Random(self.seed * 1000 + number)
        acts = (self.whole, self.whole, self.whole, self.whole, self.leave, self.stall, self.garbage)
        while time.monotonic() < self.until:
            kind = dice.choice(list(self.workers))
            try:
                dice.choice(acts)(self.workers[kind], kind, dice)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"{kind}: the connection broke: {error!r}")

    def whole(self, worker, kind, dice):
        """A keep-alive connection with a few requests, each compared."""
        connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=120)
        with contextlib.closing(connection):
            for _ in range(dice.randint(1, 4)):
                seed = dice.choice(SEEDS)
                path, body = ask(worker, kind, seed)
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                data = answer.read()
                self.seen[f"{kind} {answer.status}"] += 1
                if answer.status == 200 and content(kind, data) != self.expected[kind][seed]:
                    self.wrong.append(f"{kind}: seed {seed} gave another answer")
                elif answer.status not in (200, 429):
                    self.wrong.append(f"{kind}: status {answer.status}: {data[:200]!r}")

    def request_bytes(self, worker, kind, dice):
        path, body = ask(worker, kind, dice.choice(SEEDS))
        data = json.dumps({**body, "stream": True} if kind == "prose" else body).encode()
        # The answer's end is the connection's, so that a client that waits for more of it has lost something.
        return f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data

    def leave(self, worker, kind, dice):
        """Goes away somewhere in the middle of its request or of the answer."""
        data = self.request_bytes(worker, kind, dice)
        with worker.connect() as connection:
            connection.sendall(data[:dice.randint(1, len(data))])
            if dice.random() < 0.5:
                connection.settimeout(dice.random() * 0.3)
                with contextlib.suppress(TimeoutError):
                    connection.recv(100)
        self.seen[f"{kind} left"] += 1

    def stall(self, worker, kind, dice):
        """Sends slowly, then reads slowly."""
        data = self.request_bytes(worker, kind, dice)
        with worker.connect() as connection:
            for i in range(0, len(data), 40):
                connection.sendall(data[i:i + 40])
                time.sleep(dice.random() * 0.02)
            connection.settimeout(60)
            while connection.recv(16) and dice.random() < 0.9:
                time.sleep(0.01)
        self.seen[f"{kind} stalled"] += 1

    def garbage(self, worker, kind, dice):
        with worker.connect() as connection, contextlib.suppress(ConnectionError, TimeoutError):
            connection.settimeout(2)
            connection.sendall(dice.choice(GARBAGE))
            connection.recv(1000)
        self.seen[f"{kind} garbage"] += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    workers = {kind: Worker(ROOT / "examples" / kind / "package", "--queue", "16") for kind in ("glyphs", "prose")}
    try:
        for worker in workers.values():
            worker.wait_ready()
        soak = Soak(workers, 0, options.seed)
        soak.learn()
        soak.until = time.monotonic() + options.seconds
        threads = [threading.Thread(target=soak.client, args=(i,)) for i in range(options.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for kind, worker in workers.items():
            if not worker.until("serin_requests_running", 0):
                soak.wrong.append(f"{kind}: requests are still running without a client")
            if worker.get("/health/ready")[0] != 200:
                soak.wrong.append(f"{kind}: not ready after the soak")
    finally:
        codes = {kind: worker.stop() for kind, worker in workers.items()}
    print(f"{options.seconds:.0f} s, {options.clients} clients, seed {options.seed}:", dict(sorted(soak.seen.items())))
    wrong = soak.wrong + [f"{kind}: exit code {code}" for kind, code in codes.items() if code]
    print("\n".join(wrong[:20]) or "no request was lost or wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
