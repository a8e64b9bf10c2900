#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same TorchScript model, the same request, the same cores: our worker beside LitServe, MLServer and TorchServe.

Each peer runs as its documentation advises for one small model on these cores: one worker a core, one thread a worker,
keep-alive, no access log; docs/benchmarks.md names the settings. Usage: peers.py [--rounds N] [--seconds N] [PEER ...]
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from measure import (CACHE, PACKAGES, ROOT, SERVER_CORES, Request, claim, free_port, in_turn, load, machine, post, ratios,
                     server, spread, worker)
from overhead import json_request

PEERS = ROOT / "bench/peers"
PYTHON = CACHE / "venvs/peers/bin/python"
MODEL = PACKAGES / "identity/model.pt"
REQUEST = json_request()
CONNECTIONS = 32
# How many times their requests a second ours must be.
BOUNDS = {"litserve": 10, "mlserver": 10, "torchserve": 5}


def environment(**more):
    return {**os.environ, "PATH": f"{PYTHON.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", **more}


def sends(path):
    """The request, under the path where a peer takes it."""
    return Request(path, REQUEST.body)


@contextlib.contextmanager
def litserve(folder):
    port, request = free_port(), sends("/predict")
    with server([PYTHON, PEERS / "litserve_server.py", MODEL, str(port)], port, lambda at: post(at, request),
                env=environment(), cwd=folder) as process:
        yield process.pid, port, request


@contextlib.contextmanager
def mlserver(folder):
    port, request = free_port(), REQUEST
    # Without workers of its own the model runs in the server's process, which saves a queue between two.
    workers = len(SERVER_CORES) if len(SERVER_CORES) > 1 else 0
    (folder / "settings.json").write_text(json.dumps({
        "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": workers, "debug": False}))
    (folder / "model-settings.json").write_text(json.dumps({
        "name": "identity", "implementation": "mlserver_runtime.Identity", "parameters": {"uri": str(MODEL)}}))
    with server([PYTHON.parent / "mlserver", "start", folder], port, lambda at: post(at, request),
                env=environment(PYTHONPATH=str(PEERS)), cwd=folder) as process:
        yield process.pid, port, request


@contextlib.contextmanager
def torchserve(folder):
    port, request = free_port(), sends("/predictions/identity")
    subprocess.run([PYTHON.parent / "torch-model-archiver", "--model-name", "identity", "--version", "1.0",
                    "--serialized-file", MODEL, "--handler", PEERS / "torchserve_handler.py", "--export-path", folder],
                   check=True, env=environment())
    address = "http://127.0.0.1:{}"
    models = {"identity": {"1.0": {"defaultVersion": True, "marName": "identity.mar", "minWorkers": len(SERVER_CORES),
                                   "maxWorkers": len(SERVER_CORES), "batchSize": 8, "maxBatchDelay": 1,
                                   "responseTimeout": 120}}}
    (folder / "config.properties").write_text("\n".join([
        f"inference_address={address.format(port)}", f"management_address={address.format(free_port())}",
        f"metrics_address={address.format(free_port())}", f"model_store={folder}", "load_models=identity.mar",
        "disable_token_authorization=true", "disable_system_metrics=true", "job_queue_size=1000",
        "models=" + json.dumps(models)]))
    with server([PYTHON.parent / "torchserve", "--start", "--foreground", "--ts-config", folder / "config.properties",
                 "--disable-token-auth"], port, lambda at: post(at, request), env=environment(), cwd=folder) as process:
        yield process.pid, port, request


@contextlib.contextmanager
def serin(_):
    with worker(PACKAGES / "identity", "--io-threads", str(len(SERVER_CORES))) as ours:
        yield ours.process.pid, ours.port, REQUEST


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("peers", nargs="*", default=list(BOUNDS))
    options = parser.parse_args()
    print(machine(), f"servers on {len(SERVER_CORES)} of them, {CONNECTIONS} connections")
    servers = {"litserve": litserve, "mlserver": mlserver, "torchserve": torchserve}
    for peer in options.peers:
        # One peer at a time: an idle one costs memory and wakes up now and then.
        with contextlib.ExitStack() as running:
            folder = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
            subjects = {name: running.enter_context(start(folder))
                        for name, start in (("serin", serin), (peer, servers[peer]))}
            for pid, port, request in subjects.values():
                load(pid, port, request, 1, CONNECTIONS)  # warm
            seen = in_turn(options.rounds, {name: lambda of=of: load(*of, options.seconds, CONNECTIONS)
                                            for name, of in subjects.items()})
        for who, loads in seen.items():
            print(f"{who:10} {spread([one.per_second for one in loads])} requests/s,"
                  f" {spread([one.cpu_us for one in loads])} us CPU, p50 {spread([one.p50_us for one in loads])} us,"
                  f" p99 {spread([one.p99_us for one in loads])} us", flush=True)
        times = ratios(*([one.per_second for one in seen[name]] for name in ("serin", peer)))
        claim(f"requests a second, times {peer}'s", statistics.median(times), BOUNDS[peer], at_least=True, digits=1)


if __name__ == "__main__":
    main()
