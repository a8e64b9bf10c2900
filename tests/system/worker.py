# SPDX-License-Identifier: Apache-2.0
"""Real workers: each is one process on a free port of the loopback, stopped by its own pid."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERIN = pathlib.Path(os.environ.get("SERIN", ROOT / "build/release/serin"))
CACHE = pathlib.Path(os.environ.get("SERIN_CACHE", pathlib.Path.home() / ".cache/serin"))
PACKAGES = pathlib.Path(__file__).parent / "packages"
SLOW, TYPIST = PACKAGES / "slow", PACKAGES / "typist"
# How long anything may take that must come about: never a matter of a machine's speed.
PATIENCE = 100


def python_with(framework):
    """The interpreter that has `torch` or `tensorflow`."""
    return os.environ.get(f"SERIN_PYTHON_{framework.upper()}") or str(CACHE / "venvs" / framework / "bin/python")


class Worker:
    """A running `serin serve`; `url` is where it listens."""

    def __init__(self, package, *options, environment=None):
        self._start(["serve", str(package), *options], environment)

    def _start(self, words, environment=None):
        self.process = subprocess.Popen(
            [SERIN, *words, "--port", "0", "--log-format", "json"],
            stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
        self.log = []
        self.port = self._port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Somebody must read on, or a full pipe would hold the worker up.
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def _port(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r'"port":\s*(\d+)', line)
            if found:
                return int(found.group(1))
        raise RuntimeError(f"the worker ended with {self.process.wait(timeout=60)}: " + "".join(self.log))

    def wait_ready(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(self.url + "/health/ready", timeout=5):
                    return self
            if self.process.poll() is not None:
                raise RuntimeError("the worker ended: " + "".join(self.log))
            time.sleep(0.05)
        raise RuntimeError("not ready in time: " + "".join(self.log))

    def post(self, path, body, headers=None, timeout=60):
        """Status, headers and bytes of one request; any status is an answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data,
                                         headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def get(self, path, headers=None):
        try:
            request = urllib.request.Request(self.url + path, headers=headers or {})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def metrics(self):
        return self.get("/metrics")[2].decode()

    def metric(self, name, **labels):
        """The sum of a series over its labels, or over those that are not given."""
        text = self.metrics()
        given = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(rf"{name}(\{{| )", line) and all(pair in line for pair in given))

    def until(self, name, value, **labels):
        """Waits for a metric to come to `value`."""
        return until(lambda: self.metric(name, **labels) == value)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.reader.join(timeout=10)
        return code


def until(condition):
    """Waits for a condition; False when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def served(package, *options):
    """A worker while a fixture lives; it must end well."""
    worker = Worker(package, *options)
    try:
        yield worker.wait_ready()
    finally:
        assert worker.stop() == 0
