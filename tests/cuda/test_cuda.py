# SPDX-License-Identifier: Apache-2.0
"""Real workers on a GPU, sandbox and all. Registered by the preset "cuda" alone; a machine without a device fails here."""
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "system"))
from worker import ROOT, SERIN, Worker  # noqa: E402

EXAMPLES = ("glyphs", "motion")  # PyTorch, and golden results that another device gives too


@pytest.fixture
def start():
    started = []

    def make(package, *options):
        started.append(Worker(package, "--device", "cuda:0", *options))
        return started[-1]

    yield make
    for worker in started:
        worker.stop()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_served_from_the_sandbox(name, start):
    worker = start(ROOT / f"examples/{name}/package").wait_ready()
    answers = [worker.post("/generate", {"seed": 7}) for _ in range(4)]
    assert all(status == 200 for status, _, _ in answers)
    assert answers[0][1]["Serin-Profile"].startswith("cuda/")
    assert len({body for _, _, body in answers}) == 1
    assert worker.metric("serin_device_memory_bytes") > 0
    status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
    assert re.search(r"^Seccomp:\s+2$", status, re.M)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_the_same_to_the_bit_in_company(name, tmp_path):
    package = tmp_path / name
    subprocess.run(["cp", "-r", ROOT / f"examples/{name}/package", package], check=True)
    done = subprocess.run([SERIN, "package", "verify", package, "--run", "--reproducible", "--device", "cuda:0"],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert ": bitwise" in done.stdout


def test_a_cap_on_memory_answers_503_and_the_worker_lives_on(start):
    worker = start(ROOT / "examples/motion/package", "--memory-limit", "64MiB")
    try:
        worker.wait_ready()
    except RuntimeError:  # too little even for the weights: said so, and ended
        assert "out of memory" in "".join(worker.log)
        return
    assert {worker.post("/generate", {"seed": i})[0] for i in range(8)} <= {200, 503}
    assert worker.get("/health/live")[0] == 200
