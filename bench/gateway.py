#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our gateway beside Envoy, with the same routes: two versions at 90 and 10 %, retries, ejection of bad workers, one
thread, in front of the same two workers. And what a long prompt adds.

Usage: gateway.py [--rounds N] [--seconds N]
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import tempfile

from measure import (BUILD, CACHE, LOAD_CORES, Request, claim, free_port, in_turn, listening, load, machine, paced, ratios,
                     server, spread)

CONNECTIONS = 32
EQUAL_LOAD = 0.5  # of what Envoy does with all of its core
SMALL = Request("/generate", json.dumps({"prompt": "a" * 64, "seed": 7}).encode())
STREAM = Request("/events", json.dumps({"prompt": "a" * 64, "seed": 7, "stream": True}).encode())
LONG = Request("/generate", json.dumps({"prompt": "a word or two, " * 14_667, "seed": 7}).encode())  # 220 KB


def envoy_config(port, admin, upstreams):
    def cluster(name, upstream):
        address = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
        return {"name": name, "type": "STATIC", "connect_timeout": "1s",
                "outlier_detection": {"consecutive_5xx": 5, "interval": "10s", "base_ejection_time": "30s"},
                "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}}

    def typed(name):
        return f"type.googleapis.com/envoy.extensions.filters.{name}"

    route = {"match": {"prefix": "/"}, "route": {
        "weighted_clusters": {"clusters": [{"name": "a", "weight": 90}, {"name": "b", "weight": 10}]},
        "timeout": "60s", "retry_policy": {"retry_on": "connect-failure,gateway-error", "num_retries": 2}}}
    manager = {"@type": typed("network.http_connection_manager.v3.HttpConnectionManager"), "stat_prefix": "in",
               "http_filters": [{"name": "router", "typed_config": {"@type": typed("http.router.v3.Router")}}],
               "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}}
    listener = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    return {"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
            "static_resources": {"listeners": [listener], "clusters": [cluster("a", upstreams[0]), cluster("b", upstreams[1])]}}


def serin_config(upstreams):
    versions = [{"label": f"v{i + 1}", "replicas": [{"id": f"w{i}", "url": f"http://127.0.0.1:{port}"}]}
                for i, port in enumerate(upstreams)]
    return {"revision": 1, "services": [{"name": "prose", "versions": versions,
                                         "split": {"stable": "v1", "candidate": "v2", "weight": 0.1, "salt": "s"}}]}


@contextlib.contextmanager
def gateways(folder, upstreams):
    """Both, with their ports: one thread each, on the same core."""
    with contextlib.ExitStack() as running:
        made = {}
        port, admin = free_port(), free_port()
        (folder / "envoy.json").write_text(json.dumps(envoy_config(port, admin, upstreams)))
        envoy = pathlib.Path(os.environ.get("ENVOY", CACHE / "venvs/peers/bin/envoy"))
        made["envoy"] = running.enter_context(server(
            [str(envoy), "-c", str(folder / "envoy.json"), "--concurrency", "1", "--log-level", "error"],
            port, listening)), port
        port = free_port()
        (folder / "serin.json").write_text(json.dumps(serin_config(upstreams)))
        made["serin"] = running.enter_context(server(
            [str(BUILD / "serin"), "gateway", "--config", str(folder / "serin.json"), "--port", str(port),
             "--io-threads", "1", "--access-log", str(folder / "access.log")], port, listening)), port
        yield made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    with contextlib.ExitStack() as running:
        folder = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
        upstreams = [free_port(), free_port()]
        for port in upstreams:
            upstream = running.enter_context(server([str(BUILD / "gateway_upstream"), str(port)], port, listening))
            os.sched_setaffinity(upstream.pid, LOAD_CORES)
        made = running.enter_context(gateways(folder, upstreams))

        def compare(name, request, connections):
            seen = in_turn(options.rounds, {
                who: lambda process=process, port=port: load(process.pid, port, request, options.seconds, connections)
                for who, (process, port) in made.items()})
            for who, loads in seen.items():
                print(f"{name:14} {connections:3} connections  {who:6}"
                      f"  {spread([one.per_second for one in loads])} requests/s"
                      f"  CPU {spread([one.cpu_us for one in loads], 1)} us"
                      f"  p50 {spread([one.p50_us for one in loads])} us  p99 {spread([one.p99_us for one in loads])} us",
                      flush=True)
            return seen

        def compare_paced(name, request, rate):
            """p99 of both when both are asked as often."""
            seen = in_turn(options.rounds, {
                who: lambda port=port: paced(port, request, options.seconds, CONNECTIONS, rate)
                for who, (process, port) in made.items()})
            tails = {who: [times[len(times) * 99 // 100] for times in rounds] for who, rounds in seen.items()}
            for who, rounds in seen.items():
                print(f"{name:14} {rate:6,.0f} requests/s  {who:6}"
                      f"  p50 {spread([times[len(times) // 2] for times in rounds])} us  p99 {spread(tails[who])} us", flush=True)
            claim(f"{name}: p99 at equal load, of Envoy's", statistics.median(ratios(tails["serin"], tails["envoy"])), 0.8)

        small = compare("1 KiB JSON", SMALL, CONNECTIONS)
        stream = compare("200 events", STREAM, CONNECTIONS)
        short, long = compare("1 KiB JSON", SMALL, 1), compare("220 KB prompt", LONG, 1)
        for name, seen in (("1 KiB JSON", small), ("200 events", stream)):
            per_core = ratios([1 / one.cpu_us for one in seen["serin"]], [1 / one.cpu_us for one in seen["envoy"]])
            claim(f"{name}: requests per core and second, of Envoy's", statistics.median(per_core), 1.5, at_least=True)
        for name, request, seen in (("1 KiB JSON", SMALL, small), ("200 events", STREAM, stream)):
            compare_paced(name, request, EQUAL_LOAD * statistics.median(one.per_second for one in seen["envoy"]))
        claim("1 KiB JSON: CPU a request, us", statistics.median(one.cpu_us for one in small["serin"]), 25, digits=1)
        added = statistics.median(one.p50_us for one in long["serin"]) - statistics.median(one.p50_us for one in short["serin"])
        claim("a 220 KB prompt adds, us", added, 1000, digits=0)


main()
