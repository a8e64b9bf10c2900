# SPDX-License-Identifier: Apache-2.0
"""Clients that know what every answer is, and say what is wrong with the one that they got."""
import collections
import contextlib
import hashlib
import http.client
import json
import threading
import time
import urllib.parse

SEEDS = range(1, 6)
LATE = 0.1  # seconds beyond a deadline
GONE = (OSError, http.client.HTTPException)


class Wrong(Exception):
    """What must not be; its text says all that is known."""


class Broken(Exception):
    """The connection ended before the answer did; `events` are what came."""

    def __init__(self, why, events):
        super().__init__(why)
        self.events = events


def text_request(seed, tokens, stream):
    return {"model": "prose", "prompt": "The kernel", "max_tokens": tokens, "seed": seed, "logit_bias": {"1": -100},
            "stream": stream}


# kind: path and body of a request whose answer is a function of its seed
REQUESTS = {
    "stream": lambda seed: ("/v1/completions", text_request(seed, 60 + 10 * seed, True)),
    "json": lambda seed: ("/v1/completions", text_request(seed, 12, False)),
    "picture": lambda seed: ("/services/glyphs/generate", {"seed": seed, "character": "S", "steps": 6}),
}


class Events:
    """A stream's events as (id, data without the answer's own name and time), as they come."""

    def __init__(self):
        self.events, self.names, self.error = [], set(), None
        self.lines = []

    def take(self, line):
        if line:
            return self.lines.append(line)
        fields = dict(one.split(": ", 1) for one in self.lines)
        self.lines = []
        data = fields.get("data", "")
        if fields.get("event") == "error":
            self.error = json.loads(data)["error"]
        elif data.startswith("{"):
            parsed = json.loads(data)
            self.names.add((parsed.pop("id"), parsed.pop("created")))
            self.events.append((fields.get("id", ""), parsed))
        elif data:
            self.events.append((fields.get("id", ""), data))

    def ended(self):
        return bool(self.events) and self.events[-1][1] == "[DONE]"


class Clients:
    """Threads of clients against the gateway at `url`; `faults` says what was done near a request."""

    def __init__(self, url, metronome, wrong):
        where = urllib.parse.urlsplit(url)
        self.host, self.port = where.hostname, where.port
        self.metronome, self.wrong = metronome, wrong
        self.faults = None
        self.expected = {}
        self.seen = collections.Counter()
        self.latest = 0.0  # the most that an answer was past its deadline

    # One request

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=60)

    def open(self, connection, kind, seed, headers):
        path, body = REQUESTS[kind](seed)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        return connection.getresponse()

    def whole(self, kind, seed, headers):
        """Status and what is compared of an answer that is no stream."""
        with contextlib.closing(self.connect()) as connection:
            try:
                answer = self.open(connection, kind, seed, headers)
                body = answer.read()
            except GONE as error:
                raise Broken(repr(error), []) from error
        if answer.status != 200:
            return answer.status, body.decode(errors="replace")
        if kind == "picture":
            return 200, hashlib.sha256(body).hexdigest()
        return 200, json.loads(body)["choices"]

    def stream(self, seed, headers, most=None):
        """Status and the events, or the text of an error. `most`: leaves after so many."""
        events = Events()
        with contextlib.closing(self.connect()) as connection:
            try:
                answer = self.open(connection, "stream", seed, headers)
                if answer.status != 200:
                    return answer.status, answer.read().decode(errors="replace")
                for line in answer:
                    events.take(line.decode().rstrip("\n"))
                    if most is not None and len(events.events) >= most:
                        return 200, events
            except GONE as error:
                raise Broken(repr(error), events) from error
        if not events.ended() and events.error is None:
            raise Broken("the stream ended without its end", events)
        return 200, events

    def learn(self):
        """Every answer, undisturbed."""
        for kind in REQUESTS:
            for seed in SEEDS:
                status, answer = self.stream(seed, {}) if kind == "stream" else self.whole(kind, seed, {})
                if status != 200:
                    raise Wrong(f"{kind} {seed}, undisturbed: {status} {answer}")
                self.expected[kind, seed] = [data for _, data in answer.events] if kind == "stream" else answer

    # What each kind of client does

    def check(self, kind, seed, began, got):
        expected = self.expected[kind, seed]
        if got != expected:
            at = next((i for i, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), min(len(got), len(expected)))
            raise Wrong(self.told(kind, seed, began, f"another answer from place {at} on:\n  expected {expected[at:at + 2]}\n"
                                                     f"  got      {got[at:at + 2]}"))

    def told(self, kind, seed, began, what):
        now = time.monotonic()
        near = self.faults.near(began, now) if self.faults else []
        path, body = REQUESTS[kind](seed)
        return f"{kind}: {path} {json.dumps(body)} after {now - began:.2f} s: {what}\n  near: " + ("\n        ".join(near) or "nothing")

    def broken(self, kind, seed, began, error):
        """A connection may break with its gateway, and not otherwise."""
        if not self.faults or not self.faults.cut_by_gateway(began, time.monotonic()):
            raise Wrong(self.told(kind, seed, began, f"the connection broke: {error}"))
        self.seen[kind + " cut by the gateway's end"] += 1

    def ask_whole(self, dice, kind):
        seed, began = dice.choice(SEEDS), time.monotonic()
        while True:
            try:
                status, answer = self.whole(kind, seed, {})
                break
            except Broken as error:
                self.broken(kind, seed, began, error)
        if status != 200:
            raise Wrong(self.told(kind, seed, began, f"{status} {answer}"))
        self.check(kind, seed, began, answer)
        self.seen[kind] += 1

    def ask_stream(self, dice):
        """Goes on with Last-Event-ID where its gateway ended."""
        seed, began, got, names = dice.choice(SEEDS), time.monotonic(), [], set()
        expected = self.expected["stream", seed]
        while True:
            headers = {"Last-Event-ID": got[-1][0]} if got else {}
            try:
                status, events = self.stream(seed, headers)
                if status != 200:
                    raise Wrong(self.told("stream", seed, began, f"after {len(got)} events: {status} {events}"))
                got, names = got + events.events, names | events.names
                if events.error:
                    raise Wrong(self.told("stream", seed, began, f"after {len(got)} events: {events.error}"))
                break
            except Broken as error:
                if error.events:
                    got, names = got + error.events.events, names | error.events.names
                if len(got) == len(expected):
                    break  # its end alone is missing
                self.broken("stream", seed, began, error)
                self.seen["stream went on with Last-Event-ID" if got else "stream repeated"] += 1
        self.check("stream", seed, began, [data for _, data in got])
        if len(names) != 1:
            raise Wrong(self.told("stream", seed, began, f"the answer changed its name: {names}"))
        self.seen["stream"] += 1

    def ask_in_time(self, dice):
        """With a deadline: the answer, or that it was not in time, in time."""
        kind, seed, allowed = dice.choice(list(REQUESTS)), dice.choice(SEEDS), dice.uniform(0.2, 3)
        headers = {"Serin-Timeout": f"{allowed * 1000:.0f}ms"}
        began = time.monotonic()
        try:
            status, answer = self.stream(seed, headers) if kind == "stream" else self.whole(kind, seed, headers)
        except Broken as error:
            return self.broken(kind, seed, began, error)
        now = time.monotonic()
        # What waited for a gateway had no deadline yet.
        if not self.faults or not self.faults.cut_by_gateway(began, now):
            late = now - began - allowed - self.metronome.held_up(began + allowed, now)
            self.latest = max(self.latest, late)
            if late > LATE:
                raise Wrong(self.told(kind, seed, began, f"{late:.3f} s past its deadline of {allowed:.3f} s: {status}"))
        if status == 200 and (kind != "stream" or not answer.error):
            self.check(kind, seed, began, [data for _, data in answer.events] if kind == "stream" else answer)
            self.seen[kind + " in time"] += 1
            return
        error = answer.error if status == 200 else json.loads(answer)["error"]
        if error["code"] not in ("deadline_exceeded", "shed"):
            raise Wrong(self.told(kind, seed, began, f"with a deadline of {allowed:.3f} s: {status} {error}"))
        self.seen[f"{kind} {error['code']}"] += 1

    def leave(self, dice):
        seed, began, most = dice.choice(SEEDS), time.monotonic(), dice.randint(1, 40)
        try:
            status, events = self.stream(seed, {}, most)
        except Broken as error:
            return self.broken("stream", seed, began, error)
        if status != 200 or events.error:
            raise Wrong(self.told("stream", seed, began, f"{status} {events if status != 200 else events.error}"))
        self.check("stream", seed, began, [data for _, data in events.events] + self.expected["stream", seed][most:])
        self.seen["stream left"] += 1

    def run(self, dice, until):
        acts = [self.ask_stream] * 4 + [lambda d: self.ask_whole(d, "json"), lambda d: self.ask_whole(d, "picture")] * 2
        acts += [self.ask_in_time] * 4 + [self.leave]
        try:
            while time.monotonic() < until and not self.wrong:
                dice.choice(acts)(dice)
        except Wrong as wrong:
            self.wrong.append(str(wrong))
        except Exception as error:  # a client that ends unseen would hide what it found
            self.wrong.append(f"a client failed: {error!r}")
            raise
