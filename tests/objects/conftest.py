# SPDX-License-Identifier: Apache-2.0
"""What tests of packages and images elsewhere share; tests/env/run.py starts the servers."""
import os
import pathlib
import subprocess
import urllib.request
import uuid

import pytest

SERIN = os.environ["SERIN"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/spoken-digits/package"
REGISTRY = os.environ["SERIN_TEST_REGISTRY"]


@pytest.fixture
def serin(tmp_path):
    """serin(*words) runs the program with a cache and a state of its own; its result must be `code`."""
    def run(*words, code=0, **environment):
        done = subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=120, cwd=tmp_path,
                              env={**os.environ, "SERIN_CACHE": str(tmp_path / "cache"),
                                   "XDG_STATE_HOME": str(tmp_path / "state"), **environment})
        assert done.returncode == code, done.stdout + done.stderr
        return done
    return run


@pytest.fixture
def digest(serin):
    return serin("package", "verify", EXAMPLE).stdout.split()[0]  # what is attested follows


@pytest.fixture
def repository():
    return f"{REGISTRY}/models/{uuid.uuid4().hex[:12]}"


def get(repository, below, **headers):
    host, name = repository.split("/", 1)
    with urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/{name}/{below}", headers=headers), timeout=30) as answer:
        return answer.read()


def manifest_of(repository, reference="v1"):
    return get(repository, f"manifests/{reference}", Accept="application/vnd.oci.image.manifest.v1+json")


def blob_of(repository, digest):
    return get(repository, f"blobs/{digest}")
