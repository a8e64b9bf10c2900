#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a start takes: of the program by itself, and of a worker with a package of 1 GB from a cold page cache,
beside reading that package and doing nothing with it. Usage: start.py [--rounds N]
"""
import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import time

from measure import PACKAGES, Request, claim, in_turn, machine, post, spread, worker

SERIN = pathlib.Path(os.environ["SERIN"])
LARGE, SMALL = PACKAGES / "large", PACKAGES / "identity"
FRAMEWORKS = ("torch", "tensorflow", "c10", "onednn")


def version_seconds():
    began = time.perf_counter()
    subprocess.run([SERIN, "--version"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def forget(package):
    """Puts a package's files out of the page cache, and makes sure that they are."""
    for file in package.rglob("*"):
        if not file.is_file():
            continue
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    cached = subprocess.run(["fincore", "-bnr", "-o", "RES", package / "model.pt"], capture_output=True, text=True,
                            check=True).stdout
    if int(cached) > 1 << 20:
        raise RuntimeError(f"{cached.strip()} bytes of {package} are still in the page cache")


def read_seconds():
    forget(LARGE)
    began = time.perf_counter()
    with open(LARGE / "model.pt", "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        piece = bytearray(1 << 20)
        while file.readinto(piece):
            pass
    return time.perf_counter() - began


def ready_seconds(package):
    forget(package)
    began = time.perf_counter()
    process = subprocess.Popen([SERIN, "serve", package, "--port", "0", "--log-format", "json"],
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if '"message":"ready"' in line:
            break
    else:
        raise RuntimeError(f"{package} did not become ready")
    took = time.perf_counter() - began
    process.send_signal(signal.SIGTERM)
    process.stderr.read()
    process.wait()
    return took


def inference_seconds():
    """One request of the large package, the median of a few."""
    with worker(LARGE) as running:
        took = []
        for _ in range(9):
            began = time.perf_counter()
            post(running.port, Request("/generate", b"{}"))
            took.append(time.perf_counter() - began)
        return statistics.median(took)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    versions = [version_seconds() * 1000 for _ in range(20)]
    print(f"serin --version: {spread(versions, 1)} ms")
    claim("ms until serin --version has ended", statistics.median(versions), 20, digits=1)
    linked = subprocess.run(["ldd", SERIN], capture_output=True, text=True, check=True).stdout
    libraries = [line.split()[0] for line in linked.splitlines()]
    frameworks = [library for library in libraries if any(name in library for name in FRAMEWORKS)]
    claim(f"machine-learning libraries among the {len(libraries)} that serin links", len(frameworks), 0, digits=0)

    inference = inference_seconds()
    seen = in_turn(options.rounds, {"read": read_seconds, "large": lambda: ready_seconds(LARGE),
                                    "small": lambda: ready_seconds(SMALL)})
    size = (LARGE / "model.pt").stat().st_size / 1e9
    print(f"{size:.2f} GB: read {spread(seen['read'], 2)} s, ready {spread(seen['large'], 2)} s;"
          f" a small package ready {spread(seen['small'], 2)} s; one inference {inference:.3f} s")
    times = [(large - small - inference) / read for read, large, small in zip(*(seen[k] for k in ("read", "large", "small")))]
    claim("1 GB ready, beyond a small package's start and one inference, in times of reading it", statistics.median(times),
          1.3)


if __name__ == "__main__":
    main()
