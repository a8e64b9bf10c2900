# SPDX-License-Identifier: Apache-2.0
"""A Flask app that a worker starts, looks after, and shuts in."""
import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest
from PIL import Image

from remote import PACKAGES, VENVS, client, error_of, eventually, lives, reason
from worker import SERIN, served


def hat_package(folder, replace=(), files=None):
    """The package with this machine's Flask, sealed."""
    shutil.copytree(PACKAGES / "hat", folder)
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    venv = (VENVS / "apps").resolve()
    text = (folder / "model.yaml").read_text()
    for old, new in ((", app.py]", f", app.py]\n  read: [{venv}]"), ("[python3", f"[{venv}/bin/python"), *replace):
        assert old in text
        text = text.replace(old, new)
    (folder / "model.yaml").write_text(text)
    subprocess.run([SERIN, "package", "seal", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def hat(tmp_path_factory):
    yield from served(hat_package(tmp_path_factory.mktemp("hat") / "hat"), "--allow-command")


def test_a_flask_app_is_served_over_our_apis(hat):
    status, headers, body = hat.post("/generate", {"prompt": "a red hat", "seed": 3, "size": 24})
    assert (status, headers["Content-Type"], headers["Serin-Reproducible"]) == (200, "image/png", "no")
    assert Image.open(io.BytesIO(body)).size == (24, 24)
    assert hat.post("/generate", {"prompt": "a red hat", "seed": 3, "size": 24})[2] == body
    assert hat.post("/generate", {"seed": 7})[0] == 200
    picture = client(hat).images.generate(model="hat", prompt="a red hat", extra_body={"seed": 3, "size": 24})
    assert base64.b64decode(picture.data[0].b64_json) == body
    for fields, param in (({"size": 0}, "size"), ({"style": "round"}, "style"), ({"promt": "x"}, "promt"), ({"prompt": 3}, "prompt")):
        status, _, body = hat.post("/generate", fields)
        assert (status, error_of(body)["param"]) == (400, param)


def test_the_commands_words_are_in_our_log(hat):
    hat.post("/generate", {"style": "bold"})
    assert eventually(lambda: any("painting bold" in line for line in hat.log))
    line = next(json.loads(line) for line in hat.log if "painting bold" in line)
    assert line["line"] == "painting bold"


def command_pid(worker):
    started = [json.loads(line) for line in worker.log if '"the command runs"' in line]
    return started[-1]["pid"] if started else 0


def test_a_command_that_is_killed_comes_back(hat):
    first = command_pid(hat)
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: command_pid(hat) != first)
    hat.wait_ready()
    assert hat.post("/generate", {})[0] == 200
    assert hat.metric("serin_upstream_command_starts_total") >= 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_its_worker(start, tmp_path, how):
    worker = start(hat_package(tmp_path / "hat"), "--allow-command").wait_ready()
    pid = command_pid(worker)
    assert lives(pid)
    worker.process.send_signal(how)
    worker.process.wait(timeout=30)
    assert eventually(lambda: not lives(pid), 15)


def test_a_command_that_keeps_ending_is_a_reason_not_to_be_ready(start, tmp_path):
    package = hat_package(tmp_path / "hat", [("app.py]", "nothing.py]")])
    worker = start(package, "--allow-command")
    assert eventually(lambda: "crash loop: the command ended with 2" in (reason(worker) or ""))
    assert any("can't open file" in line for line in worker.log)
    status, headers, body = worker.post("/generate", {})
    assert (status, error_of(body)["code"]) == (503, "upstream_unavailable") and int(headers["Retry-After"]) >= 1


def test_a_package_starts_nothing_that_nobody_allowed(tmp_path):
    package = hat_package(tmp_path / "hat")
    refused = subprocess.run([SERIN, "serve", package, "--port", "0"], capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0 and "--allow-command" in refused.stderr and "app.py" in refused.stderr


BURGLAR = '''
import json, os, socket
from flask import Flask, request
app = Flask(__name__)

def tried(act):
    try:
        act()
        return "done"
    except OSError as error:
        return type(error).__name__

@app.get("/health")
def health():
    return {}

@app.post("/try")
def attempt():
    ask = request.get_json()
    found = {
        "secret": tried(lambda: open(ask["prompt"]).read()),
        "package": tried(lambda: open("burglar.py").read()),
        "write": tried(lambda: open("burglar.py", "a")),
        "scratch": tried(lambda: open(os.environ["TMPDIR"] + "/x", "w")),
        "call": tried(lambda: socket.create_connection(("127.0.0.1", ask["size"]), timeout=5)),
        "listen": tried(lambda: socket.create_server(("127.0.0.1", 0))),
        "datagram": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "signal": tried(lambda: os.kill(os.getppid(), 0)),
        "environment": "SERIN_SECRET" in os.environ,
    }
    return json.dumps(found), {"Content-Type": "application/json"}

app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
'''


def test_a_command_is_shut_in(start, tmp_path):
    package = hat_package(tmp_path / "hat", [("app.py", "burglar.py"), ("path: /predict", "path: /try"), ("max: 512", "max: 65535"),
                                                 ("task: image-generation", "task: inference")], {"burglar.py": BURGLAR})
    secret = tmp_path / "secret"
    secret.write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        worker = start(package, "--allow-command", environment={"SERIN_SECRET": "x"}).wait_ready()
        found = json.loads(worker.post("/generate", {"prompt": str(secret), "size": server.getsockname()[1]})[2])
    assert found == {"secret": "PermissionError", "package": "done", "write": "PermissionError", "scratch": "done",
                     "call": "PermissionError", "listen": "PermissionError", "datagram": "PermissionError",
                     "signal": "PermissionError", "environment": False}


def test_a_command_may_listen_on_a_socket_of_its_own(start, tmp_path):
    app = (PACKAGES / "hat/app.py").read_text()
    listens = app.replace('host="127.0.0.1", port=int(os.environ["PORT"])', 'host="unix://" + os.environ["SOCKET"]')
    package = hat_package(tmp_path / "hat", [("http://127.0.0.1:{port}", "'unix:{socket}'")], {"app.py": listens})
    worker = start(package, "--allow-command").wait_ready()
    assert worker.post("/generate", {"seed": 7})[1]["Content-Type"] == "image/png"
