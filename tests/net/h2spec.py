#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs h2spec against our server.

Usage: h2spec.py LATE_SERVER H2SPEC
Passes when every case passed but those in ALSO_RIGHT, and the server is alive after it.
"""
import re
import socket
import subprocess
import sys
import time

# A preface that is not HTTP/2's is HTTP/1.1 on this port, and answered so.
ALSO_RIGHT = {"2: Sends invalid connection preface"}
CASES = 140


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def main():
    late_server, h2spec = sys.argv[1:]
    port = free_port()
    server = subprocess.Popen([late_server, str(port)])
    try:
        until = time.monotonic() + 10
        while not listens(port):
            if server.poll() is not None or time.monotonic() > until:
                sys.exit("h2spec.py: the server does not listen")
            time.sleep(0.01)
        ran = subprocess.run([h2spec, "-h", "127.0.0.1", "-p", str(port), "-o", "5"], capture_output=True, text=True, timeout=110)
        alive = server.poll() is None and listens(port)
    finally:
        server.terminate()
        code = server.wait(10)
    print(ran.stdout[ran.stdout.find("Failures:"):] if "Failures:" in ran.stdout else ran.stdout[-100:], ran.stderr)
    counts = re.search(r"^(\d+) tests, (\d+) passed, 0 skipped, (\d+) failed", ran.stdout, re.M)
    failed = set(re.findall(r"^\s*× (.*)$", ran.stdout.split("Failures:")[-1], re.M))
    if not counts or int(counts[1]) < CASES:
        sys.exit("h2spec.py: not every case ran")
    if not alive or code:
        sys.exit(f"h2spec.py: the server did not live to its end (exit code {code})")
    sys.exit(f"h2spec.py: rules not kept: {failed - ALSO_RIGHT}" if failed - ALSO_RIGHT else 0)


if __name__ == "__main__":
    main()
