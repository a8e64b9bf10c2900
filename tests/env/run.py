#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command beside real servers (object stores, registries, Prometheus): each on loopback and a free port, with data in a folder that goes away,
stopped by its process id.

Usage: run.py [kubernetes | kubernetes-control-plane] [versitygw] [azurite] [registry] [private-registry] [prometheus] -- COMMAND…

The command finds them in its environment:
  versitygw   AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION
  azurite     AZURE_STORAGE_CONNECTION_STRING
  registry    SERIN_TEST_REGISTRY (host:port, plain HTTP), SERIN_TEST_REGISTRY_BLOBS (where its blobs lie)
  private-registry  SERIN_TEST_PRIVATE_REGISTRY, the same with the user "user" and the password "secret"
  prometheus  SERIN_TEST_PROMETHEUS (its URL), SERIN_TEST_PROMETHEUS_CONFIG (its file, empty at first: write it and
              POST /-/reload)
  kubernetes, kubernetes-control-plane  KUBECONFIG, kubectl and helm in PATH, SERIN_TEST_CLUSTER (see kubernetes/cluster.py);
              the command and the other servers run in the cluster's network
Exits with what the command exits with; 3 when a server does not come up within START_WITHIN seconds.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from places import CACHE, listens

START_WITHIN = 60
CLUSTER = pathlib.Path(__file__).parent / "kubernetes/cluster.py"
CLUSTERS = {"kubernetes": [], "kubernetes-control-plane": ["--control-plane-only"]}
VERSITYGW = "1.8.0"  # as in tools/setup
AZURITE = "3.35.0"
# Azurite's documented account.
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(path):
    if not path.exists():
        sys.exit(f"run.py: there is no {path}; tools/setup makes it")
    return str(path)


def versitygw(folder):
    port = free_port()
    (folder / "data").mkdir()
    (folder / "versions").mkdir()
    command = [program(CACHE / f"tools/versitygw-{VERSITYGW}/versitygw"), "--port", f"127.0.0.1:{port}",
               "posix", "--versioning-dir", str(folder / "versions"), str(folder / "data")]
    return port, command, {"ROOT_ACCESS_KEY": "test-access", "ROOT_SECRET_KEY": "test-secret"}, {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "test-access",
        "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1"}


def azurite(folder):
    port = free_port()
    tools = CACHE / f"tools/azurite-{AZURITE}"
    command = [program(tools / "node"),
               str(tools / "node_modules/azurite/dist/src/blob/main.js"), "--blobHost", "127.0.0.1", "--blobPort",
               str(port), "-l", str(folder), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
    return port, command, {}, {"AZURE_STORAGE_CONNECTION_STRING":
                               f"AccountName=devstoreaccount1;AccountKey={AZURITE_KEY};"
                               f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1"}


def registry(folder, auth=""):
    port = free_port()
    (folder / "config.yml").write_text(f"""version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}}}
{auth}
""")
    command = [program(pathlib.Path("/usr/bin/docker-registry")), "serve", str(folder / "config.yml")]
    return port, command, {}, {"SERIN_TEST_REGISTRY": f"127.0.0.1:{port}",
                               "SERIN_TEST_REGISTRY_BLOBS": f"{folder}/data/docker/registry/v2/blobs/sha256"}


def private_registry(folder):
    (folder / "users").write_text("user:$2b$04$/TfEBKHoOHOTTG0kiXdVwOJiqSY2/mofQeudD5Wbd3mTL2MaHD9iK\n")  # the password is "secret"
    port, command, own, offered = registry(folder, f"auth: {{htpasswd: {{realm: tests, path: {folder}/users}}}}")
    return port, command, own, {"SERIN_TEST_PRIVATE_REGISTRY": offered["SERIN_TEST_REGISTRY"]}


def prometheus(folder):
    port = free_port()
    (folder / "prometheus.yaml").write_text("{}")
    command = [program(pathlib.Path("/usr/bin/prometheus")), f"--config.file={folder}/prometheus.yaml",
               f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle"]
    return port, command, {}, {"SERIN_TEST_PROMETHEUS": f"http://127.0.0.1:{port}",
                               "SERIN_TEST_PROMETHEUS_CONFIG": f"{folder}/prometheus.yaml"}


SERVERS = {"versitygw": versitygw, "azurite": azurite, "registry": registry, "private-registry": private_registry,
           "prometheus": prometheus}


def start(name, folder, running):
    folder.mkdir()
    port, command, own, offered = SERVERS[name](folder)
    log = open(folder / "log", "w")
    server = subprocess.Popen(command, cwd=folder, env={**os.environ, **own}, stdout=log, stderr=log)
    running.append(server)
    until = time.monotonic() + START_WITHIN
    while not listens("127.0.0.1", port):
        if server.poll() is not None or time.monotonic() > until:
            print(f"run.py: {name} did not come up:\n{(folder / 'log').read_text()[-2000:]}", file=sys.stderr)
            sys.exit(3)
        time.sleep(0.05)
    return offered


def stop(server):
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def run_in_cluster(name, others, command):
    """Becomes the cluster's starter, which runs this program inside for the other servers."""
    rest = [sys.executable, __file__, *others, "--", *command]
    os.execv(sys.executable, [sys.executable, str(CLUSTER), "run", *CLUSTERS[name], "--", *rest])


def main():
    split = sys.argv.index("--")
    names, command = sys.argv[1:split], sys.argv[split + 1:]
    for name in CLUSTERS:
        if name in names:
            run_in_cluster(name, [other for other in names if other != name], command)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    running = []
    with tempfile.TemporaryDirectory(prefix="serin-env.") as folder:
        try:
            for name in names:
                environment.update(start(name, pathlib.Path(folder) / name, running))
            sys.exit(subprocess.run(command, env=environment).returncode)
        finally:
            for server in running:
                stop(server)


main()
