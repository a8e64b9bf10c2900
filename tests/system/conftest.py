# SPDX-License-Identifier: Apache-2.0
"""One worker an example, for all tests, and as many more as a test starts for itself."""
import pytest

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
