# SPDX-License-Identifier: Apache-2.0
"""A `serin up` in a state folder of its own, and packages that behave as a test says."""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib

from worker import PATIENCE, SERIN


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def dot(color):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"\0" + color)) + chunk(b"IEND", b""))


class Model(http.server.BaseHTTPRequestHandler):
    """What `remote` packages ask: POST /WAY/NAME paints a dot; WAY says how well. That of `shines` is white from the beginning."""
    protocol_version = "HTTP/1.1"
    spoiled = threading.Event()  # until then every way is good, so that a worker becomes ready

    def do_GET(self):
        self._answer(200, b"{}", "application/json")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        way = self.path.split("/")[1] if self.spoiled.is_set() else "good"
        if way == "hangs":
            time.sleep(30)
        if way == "fails":
            return self._answer(500, b'{"error": "no such operator"}', "application/json")
        self._answer(200, dot(b"\xff\xff\xff" if self.path.startswith("/shines/") else b"\1\2\3"), "image/png")

    def _answer(self, status, body, kind):
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Models:
    """The server of all `remote` packages of a test, and a folder for packages."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="models"))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        Model.spoiled.clear()

    def package(self, name, way="good"):
        """A sealed package; `crashes`: its worker ends as it starts."""
        folder = self.folder / name
        folder.mkdir()
        url = f"http://127.0.0.1:{self.server.server_port}"
        engine = f"""engine: remote
remote:
  protocol: http
  url: {url}
  path: /{way}/{name}
  healthPath: /health
  timeout: 20s
"""
        (folder / "model.yaml").write_text(f"""format: serin.dev/package/v1
name: {name}
task: image-generation
{engine}inputs:
- {{name: prompt, kind: text, default: a dot}}
golden:
- request: {{prompt: a dot, seed: 7}}
""")
        if way == "crashes":
            # The worker may not start the command, says so, and ends.
            text = (folder / "model.yaml").read_text()
            (folder / "model.yaml").write_text(text.replace(url, "http://127.0.0.1:{port}")
                                               .replace("timeout: 20s", "timeout: 20s\n  command: [python3, none.py]"))
        subprocess.run([SERIN, "package", "seal", folder], check=True, capture_output=True)
        return folder

    def close(self):
        self.server.shutdown()
        shutil.rmtree(self.folder)


class Up:
    """A control plane in the foreground; `serin(...)` runs commands against it."""

    def __init__(self, port=0, program=SERIN, options=()):
        self.options = options
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="up"))
        self.port = port
        self.process = None
        self.gateway = None
        self.loads = []
        try:
            self.start(program=program)
        except BaseException:
            self.close()
            raise

    def start(self, *options, program=SERIN):
        """With the options that it was made with, and further ones."""
        self.process = subprocess.Popen(
            [program, "up", "--plain", "--log-format", "json", "--state", self.state, "--port", str(self.port), *self.options, *options],
            stdout=subprocess.DEVNULL, stderr=open(self.state / "up.log", "ab"))
        assert self.until(lambda: self.serin("get", "-o", "json").returncode == 0), self.log()
        self.url()  # known also while no control plane runs

    def log(self):
        return (self.state / "up.log").read_text()

    def serin(self, *words, text=None, environment=None):
        return subprocess.run([SERIN, words[0], *words[1:], "--state", self.state], input=text, capture_output=True,
                              text=True, timeout=PATIENCE, env={**os.environ, **(environment or {})})

    def control(self, path):
        """An answer of the control API."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(self.state / "control.sock"))
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    def json(self, *words):
        ran = self.serin(*words, "-o", "json")
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    def apply(self, name, package, rollout="{}", more=""):
        manifest = f"""apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {{name: {name}}}
spec:
  model: {package}
  rollout: {rollout}
{more}"""
        ran = self.serin("apply", "-f", "-", text=manifest)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def service(self, name):
        return self.json("get", name)

    def until(self, holds, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if holds():
                return True
            time.sleep(0.1)
        return False

    def serving(self, name):
        return self.until(lambda: self.service(name)["state"] == "Serving")

    def url(self):
        self.gateway = self.gateway or self.control("/v1/status")["gateway"]
        return self.gateway

    def ask(self, name, key=None):
        """The status and the version that answered."""
        proof = {"Authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(f"{self.url()}/services/{name}/generate", data=b"{}",
                                         headers={"Content-Type": "application/json", **proof})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers["Serin-Version"]
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Serin-Version"]

    def load(self, name, rate=40, duration="90s"):
        """A `serin load`; what is left of it ends with this."""
        self.loads.append(subprocess.Popen(
            [SERIN, "load", name, "--rate", str(rate), "--duration", duration, "--state", self.state],
            stdout=subprocess.PIPE, text=True))
        return self.loads[-1]

    def replica_pids(self, name):
        return {replica["pid"] for version in self.service(name)["versions"] for replica in version["replicas"]}

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)

    def down(self):
        ran = self.serin("down")
        if self.process.poll() is None:
            self.process.wait(timeout=PATIENCE)
        return ran

    def close(self):
        """Ends whatever still runs, also when a test has failed."""
        for load in self.loads:
            load.kill()
            load.wait()
            load.stdout.close()
        try:
            self.down()
        finally:
            if self.process.poll() is None:
                self.kill()
                self.serin("down")
            shutil.rmtree(self.state)


def alive(pid):
    return os.path.exists(f"/proc/{pid}") and ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
