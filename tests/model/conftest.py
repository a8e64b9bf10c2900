# SPDX-License-Identifier: Apache-2.0
"""Runs src/model through the driver, and the frameworks in their own interpreters."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
CACHE = pathlib.Path(os.environ.get("SERIN_CACHE", pathlib.Path.home() / ".cache/serin"))


def interpreter(variable, name):
    return os.environ.get(variable) or str(CACHE / "venvs" / name / "bin/python")


@pytest.fixture
def driver():
    """Runs the driver; gives its output, or what it said when it failed."""

    def run(*words, fails=False):
        done = subprocess.run(
            [os.environ["SERIN_MODEL_DRIVER"], *map(str, words)], capture_output=True, text=True, timeout=300
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    return run


def in_framework(variable, name):
    def run(script, folder):
        (folder / "save.py").write_text(script)  # TorchScript compiles from the source of a file
        done = subprocess.run(
            [interpreter(variable, name), "save.py"], cwd=folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def torch():
    return in_framework("SERIN_PYTHON_TORCH", "torch")


@pytest.fixture
def tensorflow():
    return in_framework("SERIN_PYTHON_TENSORFLOW", "tensorflow")


@pytest.fixture
def package(tmp_path, driver):
    folder = tmp_path / "small"
    (folder / "golden").mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    (folder / "golden/0.y.npy").write_bytes(b"expected")
    (folder / "model.yaml").write_text(
        """format: serin.dev/package/v1
name: small
task: inference
engine: torch
model: model.pt
inputs:
- {name: x, kind: tensor, dtype: float32, shape: [2], default: 0}
call:
  arguments:
  - {name: x, input: x, dtype: float32, shape: [N, 2]}
  results:
  - {name: y, dtype: float32, shape: [N, 2]}
outputs:
- {name: y, kind: tensor, result: y}
"""
    )
    driver("seal", folder)
    return folder
