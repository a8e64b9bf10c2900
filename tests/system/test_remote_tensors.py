# SPDX-License-Identifier: Apache-2.0
"""Workers in front of servers of tensors: another worker, and MLServer."""
import concurrent.futures
import contextlib
import http.server
import io
import json
import os
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
import tritonclient.http

from remote import PACKAGES, VENVS, error_of, eventually, reason
from worker import PATIENCE, SERIN, served


def v2_package(folder, url, model="slow", result="[N]", more=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(f"""format: serin.dev/package/v1
name: tensors
task: inference
engine: remote
remote:
  protocol: openInference
  url: {url}
  model: {model}
  timeout: 60s
{more}inputs:
- {{name: x, kind: number, default: 1.0}}
- {{name: seconds, kind: number, default: 0.0, min: 0, max: 1000}}
call:
  arguments:
  - {{name: x, input: x, dtype: float64, shape: [N]}}
  - {{name: seconds, input: seconds, dtype: float64, shape: [N]}}
  results:
  - {{name: y, dtype: float32, shape: {result}}}
outputs:
- {{name: y, kind: tensor, result: y}}
batching: {{sizes: [1, 2, 4], maxWait: 2ms}}
golden:
- request: {{x: 21.0}}
""")
    return folder


@pytest.fixture(scope="module")
def slow():
    yield from served(PACKAGES / "slow")


@pytest.fixture(scope="module")
def tensors(slow, tmp_path_factory):
    yield from served(v2_package(tmp_path_factory.mktemp("tensors"), slow.url))


def test_tensors_go_through_and_come_back(tensors):
    status, headers, body = tensors.post("/generate", {"x": 21.0, "seed": 1}, {"Accept": "application/x-npy"})
    assert (status, headers["Serin-Profile"], headers["Serin-Reproducible"]) == (200, "remote", "no")
    assert np.load(io.BytesIO(body)) == 42.0
    triton = tritonclient.http.InferenceServerClient(tensors.url.removeprefix("http://"))
    x = tritonclient.http.InferInput("x", [3], "FP32")
    x.set_data_from_numpy(np.array([1, 2, 3], np.float32))
    np.testing.assert_array_equal(triton.infer("tensors", [x]).as_numpy("y"), [2, 4, 6])
    triton.close()


def test_golden_of_tensors_are_recorded_and_verified(slow, tmp_path):
    package = v2_package(tmp_path / "p", slow.url)
    for line in (["seal", package, "--golden"], ["verify", package, "--run"]):
        subprocess.run([SERIN, "package", *line], check=True, capture_output=True, timeout=60)
    assert (package / "golden/0.y.npy").exists()


def test_a_call_that_the_upstream_does_not_have_is_said_at_the_start(slow, tmp_path):
    package = v2_package(tmp_path / "p", slow.url)
    text = (package / "model.yaml").read_text()
    (package / "model.yaml").write_text(text.replace("{name: x, input: x, dtype: float64", "{name: x, input: x, dtype: float32"))
    refused = subprocess.run([SERIN, "serve", package, "--port", "0"], capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "call declares input x as float32 [N]; the upstream's model has float64" in refused.stderr


def test_a_slow_upstream_does_not_outlast_a_deadline_or_a_client(tensors, slow):
    began = time.monotonic()
    status, _, body = tensors.post("/generate", {"seconds": 6}, {"Serin-Timeout": "300ms"})
    assert (status, error_of(body)["code"]) == (504, "deadline_exceeded") and time.monotonic() - began < 4
    connection = tensors.connect()
    ask = json.dumps({"seconds": 6}).encode()
    connection.sendall(b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(ask), ask))
    assert tensors.until("serin_requests_running", 1)
    connection.close()
    assert tensors.until("serin_requests_running", 0)


class Held(http.server.BaseHTTPRequestHandler):
    """Doubles x. A call that asks for seconds is answered when `together` of them are under way."""
    protocol_version = "HTTP/1.1"
    together = threading.Barrier(1)
    lock, under_way, most = threading.Lock(), 0, 0

    def do_GET(self):
        numbers = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("x", "seconds")]
        self.say({"name": "slow", "inputs": numbers, "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = {tensor["name"]: tensor["data"] for tensor in asked["inputs"]}
        if given["seconds"][0] > 0:
            self.wait()
        data = [2 * x for x in given["x"]]
        self.say({"model_name": "slow", "outputs": [{"name": "y", "datatype": "FP32", "shape": [len(data)], "data": data}]})

    def wait(self):
        with Held.lock:
            Held.under_way += 1
            Held.most = max(Held.most, Held.under_way)
        self.together.wait(PATIENCE)
        with Held.lock:
            Held.under_way -= 1

    def say(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("more,calls", [("", 8), ("  concurrency: 3\n", 3)], ids=["by default", "as the package says"])
def test_an_upstream_that_is_slow_has_several_calls_under_way(start, tmp_path, more, calls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Held)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    package = v2_package(tmp_path, f"http://127.0.0.1:{server.server_port}", more=more)
    text = (package / "model.yaml").read_text()
    (package / "model.yaml").write_text(text.replace("sizes: [1, 2, 4]", "sizes: [1]"))
    worker = start(package, "--idle-probe", "600").wait_ready()
    Held.together, Held.most = threading.Barrier(calls), 0
    with concurrent.futures.ThreadPoolExecutor(3 * calls) as clients:
        asked = [{"x": i, "seconds": 1.0, "seed": i} for i in range(3 * calls)]
        answers = list(clients.map(lambda ask: worker.post("/generate", ask, {"Accept": "application/x-npy"}, PATIENCE), asked))
    server.shutdown()
    assert [float(np.load(io.BytesIO(body))) for _, _, body in answers] == [2.0 * i for i in range(3 * calls)]
    assert Held.most == calls


def test_tensors_go_through_tls_too(localhost, start, tmp_path):
    upstream = start(PACKAGES / "slow", *localhost.options)
    package = v2_package(tmp_path, f"https://localhost:{upstream.port}")
    worker = start(package, environment={"SSL_CERT_FILE": str(localhost.authority)}).wait_ready()
    assert np.load(io.BytesIO(worker.post("/generate", {"x": 4.0}, {"Accept": "application/x-npy"})[2])) == 8.0
    refused = subprocess.run([SERIN, "serve", package, "--port", "0", "--ready-within", "1"], capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "its certificate is refused: unable to get local issuer certificate" in refused.stderr


def test_an_upstream_of_tensors_that_is_killed_is_503_and_unready(start, tmp_path):
    upstream = start(PACKAGES / "slow").wait_ready()
    worker = start(v2_package(tmp_path, upstream.url)).wait_ready()
    assert worker.post("/generate", {}, {"Accept": "application/x-npy"})[0] == 200
    upstream.process.kill()
    status, headers, _ = worker.post("/generate", {}, {"Accept": "application/x-npy"})
    assert status == 503 and int(headers["Retry-After"]) >= 1
    assert eventually(lambda: (reason(worker) or "").startswith("upstream: "), 10)


MLSERVER_MODEL = '''
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Doubles(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        x = NumpyCodec.decode_input(next(i for i in payload.inputs if i.name == "x"))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", (x * 2).astype(np.float32))])
'''


@pytest.fixture
def mlserver(tmp_path):
    program = (VENVS / "apps").resolve() / "bin/mlserver"
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]
    (tmp_path / "doubles.py").write_text(MLSERVER_MODEL)
    (tmp_path / "settings.json").write_text(json.dumps(
        {"host": "127.0.0.1", "http_port": ports[0], "grpc_port": ports[1], "metrics_port": ports[2], "parallel_workers": 0}))
    (tmp_path / "model-settings.json").write_text(json.dumps({"name": "doubles", "implementation": "doubles.Doubles"}))
    process = subprocess.Popen([program, "start", "."], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": str(tmp_path)})
    yield f"http://127.0.0.1:{ports[0]}"
    process.terminate()
    process.wait(timeout=30)


def test_mlserver_answers_behind_us(mlserver, start, tmp_path):
    worker = start(v2_package(tmp_path / "p", mlserver, "doubles", "[N, 1]"), "--ready-within", "90").wait_ready()
    body = worker.post("/generate", {"x": 4.5}, {"Accept": "application/x-npy"})[2]
    assert np.load(io.BytesIO(body)) == 9.0
