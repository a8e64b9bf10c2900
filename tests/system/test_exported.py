# SPDX-License-Identifier: Apache-2.0
"""Exported programs (.pt2): imported, compiled at the first start, quick at the second, never trusted when changed."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from remote import eventually
from worker import CACHE, PATIENCE, SERIN, python_with

COMPILING = 900  # seconds; a minute where nothing else runs

# Of other weights each time, so that the cache cannot know it.
MAKE = """
import json, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(64, 5))
    def forward(self, x):
        return torch.softmax(self.layers(x), 1)
net = Net().eval()
batch = torch.export.Dim("batch", min=1, max=8)
torch.export.save(torch.export.export(net, (torch.zeros(2, 2, 4, 4),), dynamic_shapes=({0: batch},)), "net.pt2")
x = torch.randn(3, 2, 4, 4)
json.dump({"x": x.flatten().tolist(), "y": net(x).flatten().tolist()}, open("expected.json", "w"))
"""


def serin(*words, environment=None):
    done = subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=COMPILING,
                          env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    subprocess.run([python_with("torch"), "-c", MAKE], cwd=folder, check=True, capture_output=True, timeout=300)
    code, said = serin("package", "import", folder / "net.pt2", "-o", folder / "net")
    assert code == 0, said
    manifest = folder / "net/model.yaml"
    text = manifest.read_text()
    assert "model: model.pt2\n" in text
    # Import guesses noise; the test gives the tensor itself.
    lines = ["  - {name: x, kind: tensor, dtype: float32, shape: [2, 4, 4], default: 0}" if "kind: noise" in line else line
             for line in text.splitlines()]
    manifest.write_text("\n".join(lines).replace("sizes: [1]", "sizes: [4]") + "\n")
    code, said = serin("package", "seal", folder / "net")
    assert code == 0, said
    return folder / "net"


def entries():
    return {path for path in (CACHE / "compiled").glob("*/*") if len(path.name) == 64}


def lines_of(worker):
    return [json.loads(line) for line in worker.log if line.startswith("{")]


def said_at_startup(worker):
    """Why the worker has not started yet; None once it has."""
    status, _, body = worker.get("/health/startup")
    return None if status == 200 else json.loads(body)["error"]["message"]


def ready(worker):
    deadline = time.monotonic() + COMPILING
    while worker.get("/health/ready")[0] != 200:
        assert time.monotonic() < deadline and worker.process.poll() is None, "".join(worker.log)
        time.sleep(0.1)
    return worker


def largest_error(worker, package):
    expected = json.loads((package.parent / "expected.json").read_text())
    body = {"inputs": [{"name": "x", "shape": [3, 2, 4, 4], "datatype": "FP32", "data": expected["x"]}]}
    name = json.loads(worker.get("/v1/models")[2])["data"][0]["id"]
    status, _, answer = worker.post(f"/v2/models/{name}/infer", body)
    assert status == 200, answer
    given = json.loads(answer)["outputs"][0]["data"]
    return max(abs(a - b) for a, b in zip(given, expected["y"], strict=True))


@pytest.mark.timeout(3 * COMPILING)
def test_an_exported_program_is_served(package, start):
    before = entries()
    # Told to stop while it compiles, it stops.
    impatient = start(package)
    assert eventually(lambda: said_at_startup(impatient) == "the model is being compiled for this machine", PATIENCE)
    assert impatient.stop() == 0

    first = ready(start(package))
    assert largest_error(first, package) < 1e-5
    compiled = [line for line in lines_of(first) if line["message"] == "compiled"]
    assert len(compiled) == 1 and compiled[0]["compile_ms"] > 0
    folder = pathlib.Path(compiled[0]["folder"])
    assert folder in entries() - before and folder.stat().st_mode & 0o777 == 0o700
    assert first.stop() == 0

    # A second start takes it from the cache; no Python is needed.
    again = start(package, environment={"SERIN_PYTHON_TORCH": "/nowhere"})
    said = set()
    assert eventually(lambda: said.add(said_at_startup(again)) or None in said, PATIENCE)
    assert said <= {None, "the model is still loading"}
    ready(again)
    assert not [line for line in lines_of(again) if "compil" in line["message"]]
    assert [line["prepare_ms"] for line in lines_of(again) if line["message"] == "prepared"][0] < 1000 * COMPILING / 10
    assert largest_error(again, package) < 1e-5
    assert again.stop() == 0

    # Alone and in company: what the attestation says is for the reader; that it can be measured is ours.
    code, said = serin("package", "verify", "--reproducible", package)
    assert code == 0 and "golden request" in said, said

    # A changed byte is not run: without a Python to compile anew the worker says what to do.
    library = folder / "model.so"
    code = bytearray(library.read_bytes())
    code[len(code) // 2] ^= 1
    library.write_bytes(code)
    refused = start(package, environment={"SERIN_PYTHON_TORCH": "/nowhere"})
    refused.process.wait(timeout=120)
    refused.reader.join(timeout=10)
    said = "".join(refused.log)
    assert "its files are not those that were written there" in said
    assert "there is no Python with PyTorch at /nowhere" in said and "`serin package compile " in said
    # With one it is made again, ahead of the start here.
    code, said = serin("package", "compile", package)
    assert code == 0, said
    mended = ready(start(package))
    assert largest_error(mended, package) < 1e-5
    assert mended.stop() == 0
    shutil.rmtree(folder)


@pytest.mark.timeout(300)
def test_an_environment_that_cannot_be_made_names_the_command(tmp_path):
    """Without a network (and a cache) the first import says what it tried and what to do."""
    (tmp_path / "net.pt2").write_bytes((pathlib.Path(__file__).parents[2] / "src/backends/testdata/exported/identity.pt2").read_bytes())
    offline = {"SERIN_CACHE": str(tmp_path / "cache"), "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0",
               "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}
    code, said = serin("package", "import", tmp_path / "net.pt2", "-o", tmp_path / "net", environment=offline)
    assert code != 0
    assert "environment: making the Python environment" in said and "tools/environment torch` tries again" in said
    assert not (tmp_path / "net").exists()
