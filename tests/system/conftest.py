# SPDX-License-Identifier: Apache-2.0
"""One worker an example, for all tests, and as many more as a test starts for itself; one `serin up` a file."""
import contextlib
import subprocess
import types

import pytest

from platform_of_this_machine import Models, Up
from worker import ROOT, SLOW, TYPIST, Worker, served


@pytest.fixture(scope="session")
def glyphs():
    yield from served(ROOT / "examples/glyphs/package")


@pytest.fixture(scope="session")
def prose():
    yield from served(ROOT / "examples/prose/package")


@pytest.fixture(scope="session")
def spoken_digits():
    yield from served(ROOT / "examples/spoken-digits/package")


@pytest.fixture(scope="session")
def blurbs():
    yield from served(ROOT / "examples/blurbs/package")


@pytest.fixture(scope="session")
def motion():
    yield from served(ROOT / "examples/motion/package")


@pytest.fixture(scope="session")
def slow():
    yield from served(SLOW, "--queue", "2")


@pytest.fixture(scope="session")
def typist():
    yield from served(TYPIST)


@pytest.fixture(scope="module")
def models():
    """Packages that behave as a test says."""
    made = Models()
    yield made
    made.close()


@pytest.fixture(scope="module")
def up():
    """A `serin up` for all tests of a file."""
    made = Up()
    yield made
    made.close()


@pytest.fixture
def own_up():
    """Makes a `serin up` of the test's own: own_up(port=…); it ends with the test, however that ends."""
    with contextlib.ExitStack() as made:
        yield lambda **how: made.enter_context(contextlib.closing(Up(**how)))


@pytest.fixture
def own_name(request):
    """A service's, of this test alone."""
    return request.node.name.replace("_", "-").replace("test-", "")[:40].strip("-")


@pytest.fixture(scope="session")
def localhost(tmp_path_factory):
    """An authority, and the options of a worker that has its certificate for localhost."""
    folder = tmp_path_factory.mktemp("localhost")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    authority = ["-out", folder / "ca.pem", "-keyout", folder / "ca.key", "-subj", "/CN=authority"]
    leaf = ["-out", folder / "cert.pem", "-keyout", folder / "key.pem", "-subj", "/CN=leaf",
            "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost"]
    for line in (authority, leaf):
        subprocess.run([*make, *line], check=True, capture_output=True)
    return types.SimpleNamespace(authority=folder / "ca.pem", options=[
        "--tls-certificate", folder / "cert.pem", "--tls-key", folder / "key.pem"])


@pytest.fixture
def start():
    """Starts further workers: start(package, *options); all are stopped at the end."""
    started = []

    def make(package, *options, **more):
        started.append(Worker(package, *options, **more))
        return started[-1]

    yield make
    for worker in started:
        worker.stop()
