# SPDX-License-Identifier: Apache-2.0
"""Another program takes over what runs, and the one before takes it back: nobody who is served notices. Both are of one
build: what a newer release stores is base/sqlite's tests' matter."""
import pathlib
import shutil
import signal
import threading

import pytest
import requests

from worker import ROOT, SERIN

ASK = {"model": "prose", "prompt": "The kernel", "max_tokens": 40, "seed": 11, "stream": True}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Two installed copies: the release that runs, and the next one."""
    folders = [tmp_path_factory.mktemp(name) for name in ("old", "new")]
    for folder in folders:
        for file in [pathlib.Path(SERIN), *pathlib.Path(SERIN).parent.glob("libserin_*.so")]:
            shutil.copy2(file, folder)
        (folder / "serin").touch()
    return [folder / "serin" for folder in folders]


class Reader(threading.Thread):
    """Asks for the same stream over and over; what it gets is the text of each, or what went wrong."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.seen, self.ending = url, [], threading.Event()
        self.start()

    def run(self):
        while not self.ending.is_set():
            try:
                answer = requests.post(self.url + "/v1/completions", json=ASK, stream=True, timeout=60)
                lines = [line for line in answer.iter_lines(decode_unicode=True) if line.startswith("data: ")]
                self.seen.append((answer.status_code, lines[-1], len(lines)))
            except requests.RequestException as error:
                self.seen.append(error)

    def stop(self):
        self.ending.set()
        self.join(timeout=60)
        return self.seen


def running(up, what):
    """The programs of the processes of this platform whose line has `what`."""
    found = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode().split("\0")
            if what in line and any(word.startswith(str(up.state)) for word in line):
                found.add((process / "exe").resolve())
        except OSError:
            continue  # it has ended
    return found


def test_another_release_takes_over_and_back_and_no_request_fails(own_up, programs):
    old, new = programs
    up = own_up(program=old)
    up.apply("prose", ROOT / "examples/prose/package", more="  replicas: {min: 2, max: 2}\n")
    assert up.serving("prose"), up.log()
    readers = [Reader(up.url()) for _ in range(3)]
    for program in (new, old):
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(timeout=30) == 0, up.log()
        up.start(program=program)
        assert up.until(lambda: running(up, "serve") == running(up, "gateway") == {program}), up.log()
        before = [len(reader.seen) for reader in readers]
        assert up.until(lambda: all(len(reader.seen) > n + 1 for reader, n in zip(readers, before)))
    seen = [answer for reader in readers for answer in reader.stop()]
    assert set(seen) == {(200, "data: [DONE]", seen[0][2])}
