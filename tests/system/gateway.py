# SPDX-License-Identifier: Apache-2.0
"""A real gateway in front of real workers."""
import http.client
import json
import socket

from worker import Worker


class UnixConnection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def version(label, *workers):
    return {"label": label, "replicas": [{"id": f"{label}-{i}", "url": worker.url} for i, worker in enumerate(workers)]}


def service(name, *versions, candidate="", weight=0.0, resilience=None, **split):
    return {"name": name, "versions": list(versions), "resilience": resilience or {},
            "split": {"stable": versions[0]["label"], "candidate": candidate, "weight": weight, "salt": "s", **split}}


class Gateway(Worker):
    """A running `serin gateway`; `url` is where it listens."""

    def __init__(self, folder, *services, options=(), environment=None):
        self.socket = folder / "gateway.sock"
        self.revision = 1
        config = folder / "gateway.json"
        config.write_text(json.dumps({"revision": 1, "services": list(services)}))
        self._start(["gateway", "--config", str(config), "--admin", str(self.socket), *options], environment)

    def admin(self, method, path, body=None):
        """Status, headers and bytes of the admin API."""
        connection = UnixConnection(self.socket)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def metrics(self):
        """Where they are public or not."""
        return self.admin("GET", "/metrics")[2].decode()

    def apply(self, *services):
        self.revision += 1
        status, _, text = self.admin("PUT", "/config", {"revision": self.revision, "services": list(services)})
        assert status == 200, text

    def evidence(self, name, after=0):
        """Records, and the number to ask after."""
        status, headers, lines = self.admin("GET", f"/evidence?service={name}&after={after}&wait=5s")
        assert status == 200, lines
        return [json.loads(line) for line in lines.splitlines()], int(headers["Serin-Next"])
