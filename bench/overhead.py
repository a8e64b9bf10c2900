#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the whole worker costs around a model that does nothing, beside a bare Asio and Beast echo of the same request.

Usage: overhead.py [--rounds N] [--seconds N]
"""
import argparse
import contextlib
import json
import statistics
import struct

from measure import BUILD, PACKAGES, Request, claim, free_port, in_turn, listening, load, machine, server, spread, worker

VALUES = [round(0.1 * i, 1) for i in range(16)]
MODEL = "/v2/models/identity/infer"
BUSY = 8  # connections


def json_request():
    body = {"inputs": [{"name": "x", "shape": [1, 16], "datatype": "FP32", "data": VALUES}]}
    return Request(MODEL, json.dumps(body).encode())


def binary_request():
    head = json.dumps({"inputs": [{"name": "x", "shape": [1, 16], "datatype": "FP32",
                                   "parameters": {"binary_data_size": 64}}],
                       "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}).encode()
    return Request(MODEL, head + struct.pack("<16f", *VALUES),
                   {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))})


def generate_request():
    return Request("/generate", json.dumps({"x": VALUES, "seed": 7}).encode())


REQUESTS = {"v2, JSON": json_request(), "v2, binary": binary_request(), "/generate": generate_request()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    print(machine())
    with contextlib.ExitStack() as running:
        port = free_port()
        echo = running.enter_context(server([BUILD / "echo_beast", str(port)], port, listening))
        ours = running.enter_context(worker(PACKAGES / "identity"))

        def measure(pid, port, connections):
            return lambda request: load(pid, port, request, options.seconds, connections)

        for name, request in REQUESTS.items():
            for connections in (BUSY, 1):
                seen = in_turn(options.rounds, {
                    "echo": lambda: load(echo.pid, port, request, options.seconds, connections),
                    "serin": lambda: load(ours.process.pid, ours.port, request, options.seconds, connections)})
                for who, loads in seen.items():
                    print(f"{name:11} {connections} connections  {who:6}"
                          f" {spread([one.per_second for one in loads])} requests/s,"
                          f" {spread([one.cpu_us for one in loads], 1)} us CPU,"
                          f" p50 {spread([one.p50_us for one in loads])} us,"
                          f" p99 {spread([one.p99_us for one in loads])} us", flush=True)
                beyond = [(a.cpu_us - b.cpu_us, a.p50_us - b.p50_us) for a, b in zip(seen["serin"], seen["echo"])]
                if connections == BUSY:
                    claim(f"{name}: us of CPU a request beyond the echo", statistics.median(c for c, _ in beyond), 40)
                else:
                    claim(f"{name}: us of p50 beyond the echo, one connection", statistics.median(p for _, p in beyond), 60)


if __name__ == "__main__":
    main()
