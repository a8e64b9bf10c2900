# SPDX-License-Identifier: Apache-2.0
"""Streams that outlive real workers, and a real gateway."""
import json
import shutil
import signal
import subprocess

import pytest
import requests
from gateway import Gateway, service, version
from worker import ROOT, SERIN, Worker

ASK = {"prompt": "The kernel", "max_tokens": 120, "seed": 11, "stream": True, "logit_bias": {"1": -100},
       "stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The example, attested for this machine, and its digest."""
    folder = tmp_path_factory.mktemp("attested") / "prose"
    shutil.copytree(ROOT / "examples/prose/package", folder)
    subprocess.run([SERIN, "package", "verify", "--reproducible", folder], check=True, capture_output=True)
    shown = subprocess.run([SERIN, "package", "inspect", folder], check=True, capture_output=True, text=True).stdout
    return folder, next(word for word in shown.split() if word.startswith("sha256:"))


@pytest.fixture
def workers(package):
    made = []

    def start():
        made.append(Worker(package[0]))
        return made[-1].wait_ready()

    yield start
    for worker in made:
        worker.process.kill()


@pytest.fixture
def gateways():
    made = []

    def start(folder, *services):
        made.append(Gateway(folder, *services))
        return made[-1].wait_ready()

    yield start
    for gateway in made:
        gateway.process.kill()


def prose(package, *workers):
    return service("prose", {**version("v1", *workers), "package": package[1], "bitwise": True})


def opened(gateway, body=None, headers=None):
    return requests.post(gateway.url + "/v1/completions", json=body or ASK, headers=headers, stream=True, timeout=60)


def events_of(lines):
    """(id, data) of each event; the answer's own name and time are the same in all of them, and left out."""
    names, events, id = set(), [], ""
    for line in lines:
        if line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data: {"):
            data = json.loads(line[6:])
            names.add((data.pop("id"), data.pop("created")))
            events.append((id, data))
        elif line.startswith("data: "):
            events.append((id, line[6:]))
        else:
            assert line == "", line
    assert len(names) == 1
    return events, names.pop()


def datas(events):
    return [data for _, data in events]


def lines_of(answer, most=None):
    """Its lines, or those of its first `most` events."""
    lines, left = [], most
    for line in answer.iter_lines(decode_unicode=True):
        lines.append(line)
        if line == "" and left is not None and (left := left - 1) == 0:
            break
    return lines


@pytest.fixture(scope="module")
def whole(package, tmp_path_factory):
    """The events of an answer that nothing happens to."""
    worker = Worker(package[0]).wait_ready()
    gateway = Gateway(tmp_path_factory.mktemp("whole"), prose(package, worker)).wait_ready()
    events, _ = events_of(lines_of(opened(gateway)))
    gateway.stop()
    worker.stop()
    assert len(events) == 120 + 3 and events[-1][1] == "[DONE]"  # tokens; the finish, usage, the end
    assert [int(id.rsplit(".", 1)[1]) for id, _ in events] == list(range(1, 124))
    return datas(events)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_stream_goes_on_when_its_worker_is_killed_or_stopped(workers, gateways, package, whole, tmp_path, how):
    serving = workers()
    gateway = gateways(tmp_path, prose(package, serving))
    patient = {"firstTokenTimeout": "2s"}
    for seen in (1, 2, 20, 60):
        gateway.apply({**prose(package, serving), "resilience": patient})
        answer = opened(gateway)
        lines = iter(answer.iter_lines(decode_unicode=True))
        head = []
        while head.count("") < seen:
            head.append(next(lines))
        successor = workers()
        gateway.apply({**prose(package, successor), "resilience": patient})
        serving.process.send_signal(how)
        events, _ = events_of(head + list(lines))
        assert datas(events) == whole
        serving.process.kill()
        serving = successor


def test_a_client_goes_on_at_another_gateway(workers, gateways, package, whole, tmp_path):
    worker = workers()
    for seen in (1, 7, 119, 122):
        folder = tmp_path / str(seen)
        folder.mkdir()
        first = gateways(folder, prose(package, worker))
        begun, name = events_of(lines_of(opened(first), seen))
        first.process.kill()
        second = gateways(folder, prose(package, worker))
        answer = opened(second, headers={"Last-Event-ID": begun[-1][0]})
        assert answer.status_code == 200, answer.text
        rest = lines_of(answer)
        if seen < 122:
            events, same_name = events_of(rest)
            assert same_name == name
        else:
            events = [(rest[0][4:], rest[1][6:])]
        assert datas(begun) + datas(events) == whole


def test_a_stream_that_was_begun_by_another_package_is_gone(workers, gateways, package, tmp_path):
    gateway = gateways(tmp_path, prose(package, workers()))
    begun, _ = events_of(lines_of(opened(gateway), 1))
    other = begun[0][0].replace(begun[0][0][:16], "0" * 16)
    answer = opened(gateway, headers={"Last-Event-ID": other})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "stream_gone")
    answer = opened(gateway, {**ASK, "seed": 12}, {"Last-Event-ID": begun[0][0]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "stream_changed")
