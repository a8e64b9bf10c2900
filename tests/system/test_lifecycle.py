# SPDX-License-Identifier: Apache-2.0
"""What users of other servers complain of most, a test with a C and a number each: a shutdown that cuts streams (C3), streams
that break untyped (C4), work for clients that left (C5), queues without an end (C6), health that lies (C7), silence while
loading (C8), errors after a 200 (C9), metrics without a version (C10), a swap of models that is felt (C11).

The packages `slow` and `typist` take the time they are asked to take, whatever the machine; waits end when what they wait for is there.
"""
import concurrent.futures
import json
import pathlib
import queue
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time
import urllib.error

import h2.config
import h2.connection
import h2.events
import pytest
from prometheus_client.parser import text_string_to_metric_families

from triton import prompt, rpc
from worker import ROOT, SERIN, SLOW, TYPIST, until
from wire import chunks, drain, error_of, events, open_stream, request

# 480 letters take `typist` more than 14 seconds.
LONG = {"prompt": "The file", "max_tokens": 480, "seed": 1}
CHAT = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 450}
RESPONSE = {"input": "x", "max_output_tokens": 450}


# C3

def test_c3_a_stop_lets_streams_finish_and_loses_no_request(start):
    worker = start(TYPIST).wait_ready()
    ask = {"prompt": "The file", "seed": 1, "max_tokens": 200}
    whole = worker.post("/generate", {**ask, "pace": 0})[2].decode()
    stream, first = open_stream(worker, "/generate", ask, {"Accept": "text/event-stream"})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(worker.post, "/generate", {"prompt": "A", "max_tokens": 100, "seed": seed}) for seed in range(12)]
        assert until(lambda: worker.metric("serin_requests_running") + worker.metric("serin_requests_waiting") == 13)
        worker.process.send_signal(signal.SIGTERM)
        assert until(lambda: worker.get("/health/ready")[0] == 503)
        assert json.loads(worker.get("/health/ready")[2])["reason"] == "draining"
        assert worker.get("/health/live")[0] == 200
        status, headers, body = worker.post("/generate", {"seed": 1})
        assert (status, error_of(body)["code"]) == (503, "draining") and int(headers["Retry-After"]) >= 1
        assert [answer.result()[0] for answer in waiting] == [200] * 12
    name, result = events(chunks(drain(stream, first)))[-1]
    stream.close()
    assert name == "result" and result["outputs"]["text"]["text"] == whole
    assert worker.process.wait(timeout=60) == 0


def test_c3_what_does_not_finish_in_time_is_told_to_try_elsewhere(start):
    worker = start(TYPIST, "--drain-within", "0.3").wait_ready()
    stream, first = open_stream(worker, "/v1/completions", {**LONG, "n": 8, "stream": True})
    worker.process.send_signal(signal.SIGTERM)
    name, data = events(chunks(drain(stream, first)))[-1]
    stream.close()
    assert name == "error"
    assert (data["error"]["code"], data["error"]["retryable"]) == ("draining", True)
    assert worker.process.wait(timeout=60) == 0


# C4

@pytest.mark.parametrize("path,fields,accept", [
    ("/v1/completions", {**LONG, "stream": True}, None),
    ("/v1/chat/completions", {**CHAT, "stream": True}, None),
    ("/v1/responses", {**RESPONSE, "stream": True}, None),
    ("/generate", LONG, "text/event-stream")])
def test_c4_an_error_in_a_stream_is_typed_and_says_whether_to_retry(typist, path, fields, accept):
    headers = {"Serin-Timeout": "2s", **({"Accept": accept} if accept else {})}
    status, head, body = typist.post(path, fields, headers)
    assert status == 200 and head["Content-Type"].startswith("text/event-stream")
    seen = events(body)
    assert len(seen) > 1, "the stream had begun"
    name, data = seen[-1]
    assert name == "error"
    error = data["error"]
    assert (error["code"], error["type"], error["retryable"]) == ("deadline_exceeded", "server_error", False)
    assert typist.until("serin_requests_running", 0)


def test_c4_a_grpc_stream_that_breaks_says_by_its_status_that_another_worker_may_go_on(start):
    worker = start(TYPIST, "--drain-within", "0.3").wait_ready()
    answers = queue.Queue()
    with rpc(worker) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer("typist", prompt("x"), parameters={"max_tokens": 480})
        assert answers.get(timeout=30)[1] is None, "the stream had begun"
        worker.process.send_signal(signal.SIGTERM)
        while (error := answers.get(timeout=30)[1]) is None:
            pass
        assert error.status() == "StatusCode.UNAVAILABLE" and "shutting down" in error.message()
    assert worker.process.wait(timeout=60) == 0


# C5

GONE = [("/v1/completions", {**LONG, "stream": True}), ("/v1/completions", LONG), ("/v1/completions", {**LONG, "n": 8}),
        ("/v1/chat/completions", CHAT), ("/v1/responses", {**RESPONSE, "stream": True}),
        ("/generate", LONG), ("/v1/models/typist:predict", {"instances": [LONG]}),
        ("/v2/models/typist/infer", {"parameters": {"max_tokens": 450}, "inputs": []})]


class Leaving:
    """Holds that what began inside of `with` was ended before its time, because its client left."""

    def __init__(self, worker):
        self.worker = worker

    def __enter__(self):
        assert self.worker.until("serin_requests_running", 0)
        self.cancelled, self.steps = self._seen()

    def _seen(self):
        return self.worker.metric("serin_requests_cancelled_total"), self.worker.metric("serin_step_seconds_count")

    def __exit__(self, failed, *_):
        if failed:
            return
        assert self.worker.until("serin_requests_running", 0)
        assert self.worker.until("serin_requests_cancelled_total", self.cancelled + 1)
        assert self._seen()[1] - self.steps < 400, "nothing was run to its end"


@pytest.mark.parametrize("way", ["closed", "reset"])
@pytest.mark.parametrize("path,fields", GONE)
def test_c5_a_client_that_goes_away_frees_its_place(typist, path, fields, way):
    with Leaving(typist):
        connection = typist.connect()
        connection.sendall(request("POST", path, json.dumps(fields).encode()))
        assert typist.until("serin_requests_running", fields.get("n", 1))
        if way == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


@pytest.mark.parametrize("way", ["cancelled", "streamed", "closed"])
def test_c5_a_grpc_client_that_goes_away_frees_its_place(typist, way):
    client = rpc(typist)
    with Leaving(typist):
        if way == "streamed":
            client.start_stream(lambda result, error: None)
            client.async_stream_infer("typist", prompt("x"), parameters={"max_tokens": 450})
        else:
            call = client.async_infer("typist", prompt("x"), lambda result, error: None, parameters={"max_tokens": 450})
        assert typist.until("serin_requests_running", 1)
        if way == "streamed":
            client.stop_stream(cancel_requests=True)
        elif way == "cancelled":
            call.cancel()
        else:
            client.close()
    client.close()


def test_c5_a_reset_stream_of_http2_frees_its_place_and_leaves_the_others(typist):
    connection = typist.connect()
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    peer.initiate_connection()
    with Leaving(typist):
        for stream in (1, 3):
            fields = LONG if stream == 1 else {**LONG, "max_tokens": 100}
            body = json.dumps(fields).encode()
            peer.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/generate")])
            peer.send_data(stream, body, end_stream=True)
        connection.sendall(peer.data_to_send())
        assert typist.until("serin_requests_running", 2)
        peer.reset_stream(1)
        connection.sendall(peer.data_to_send())
        ended = False
        while not ended:
            for event in peer.receive_data(connection.recv(65536)):
                assert not (isinstance(event, h2.events.ResponseReceived) and event.stream_id == 1)
                ended = ended or (isinstance(event, h2.events.StreamEnded) and event.stream_id == 3)
            connection.sendall(peer.data_to_send())
    connection.close()


# C6

def test_c6_a_full_queue_answers_429_and_stays_ready(slow):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(slow.post, "/generate", {"seconds": 4})]
        assert slow.until("serin_requests_running", 1)
        answers += [pool.submit(slow.post, "/generate", {"x": x}) for x in range(2)]
        assert slow.until("serin_requests_waiting", 2)
        status, headers, body = slow.post("/generate", {})
        assert (status, error_of(body)["code"], error_of(body)["type"]) == (429, "queue_full", "rate_limit_error")
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert slow.get("/health/ready")[0] == 200, "a full queue is no fault"
        assert [answer.result()[0] for answer in answers] == [200] * 3
    assert slow.post("/generate", {})[0] == 200


# C7

def test_c7_a_stuck_call_makes_a_worker_unready_in_time_and_its_end_ready_again(start):
    worker = start(SLOW, "--ready-within", "2").wait_ready()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        answer = pool.submit(worker.post, "/generate", {"seconds": 8})
        assert worker.until("serin_requests_running", 1)
        assert until(lambda: worker.get("/health/ready")[0] == 503)
        assert time.monotonic() - began > 1.9 and not answer.done()
        body = json.loads(worker.get("/health/ready")[2])
        assert body["status"] == "not_ready" and body["reason"].startswith("stuck")
        assert worker.get("/v2/health/ready")[0] == 503
        assert worker.get("/health/live")[0] == 200, "restarting is somebody else's decision"
        assert answer.result()[0] == 200
    assert until(lambda: worker.get("/health/ready")[0] == 200)


def test_c7_an_idle_worker_proves_itself_at_most_once_an_interval(start):
    worker = start(SLOW, "--idle-probe", "0.2").wait_ready()
    before, began = worker.metric("serin_batch_rows_count"), time.monotonic()
    assert until(lambda: worker.metric("serin_batch_rows_count") >= before + 4)
    ran, took = worker.metric("serin_batch_rows_count") - before, time.monotonic() - began
    assert ran <= took / 0.2 + 1
    assert worker.get("/health/ready")[0] == 200


# C8

def test_c8_a_loading_worker_says_so(start, tmp_path):
    package = shutil.copytree(SLOW, tmp_path / "package")
    manifest = package / "model.yaml"
    manifest.write_text(manifest.read_text().replace("request: {x: 21.0}", "request: {x: 21.0, seconds: 4}"))
    subprocess.run([SERIN, "package", "seal", package], check=True, capture_output=True)
    worker = start(package)
    assert worker.get("/health/live")[0] == 200
    for status, headers, body in (worker.get("/health/startup"), worker.get("/health/ready"), worker.post("/generate", {})):
        assert (status, error_of(body)["code"], headers["Retry-After"]) == (503, "model_loading", "1")
    worker.wait_ready()
    assert worker.get("/health/startup")[0] == 200


# C9

@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/v1/responses"])
def test_c9_a_streamed_request_that_is_wrong_is_refused_before_a_200(prose, path):
    fields = {"stream": True, "temperature": -1, "prompt": "x"} if path == "/v1/completions" else {"stream": True, "temperature": -1}
    fields |= {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {}
    fields |= {"input": "x"} if "responses" in path else {}
    status, headers, body = prose.post(path, fields)
    assert status == 400 and headers["Content-Type"] == "application/json"
    error = error_of(body)
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"], error["type"]) == ("temperature", "invalid_value", "invalid_request_error")


# C10

def test_c10_every_series_names_service_and_version(start):
    worker = start(SLOW, "--service", "shop", "--version-label", "v7").wait_ready()
    for _ in range(3):
        assert worker.post("/generate", {})[0] == 200
    assert worker.post("/generate", {"x": "no"})[0] == 400
    # An answer is counted once it is out, which its client may be quicker to see.
    assert worker.until("gen_ai_server_request_duration_seconds_count", 4, http_route="/generate")
    families = {family.name: family for family in text_string_to_metric_families(worker.get("/metrics")[2].decode())}
    for family in families.values():
        for sample in family.samples:
            assert sample.labels["serin_service"] == "shop" and sample.labels["serin_version"] == "v7", sample
    for name in ("gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds",
                 "gen_ai_server_time_per_output_token_seconds", "serin_request_queue_seconds", "serin_batch_rows", "serin_step_seconds"):
        assert families[name].type == "histogram", name
    counts = {sample.labels["http_response_status_code"]: sample.value for sample in families["serin_requests"].samples
              if sample.name.endswith("_total") and sample.labels["http_route"] == "/generate"}
    assert counts == {"200": 3, "400": 1}
    took = [sample for sample in families["gen_ai_server_request_duration_seconds"].samples
            if sample.labels.get("http_route") == "/generate"]
    assert [sample.value for sample in took if sample.name.endswith("_count")] == [4]
    buckets = [sample.value for sample in took if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == 4


def test_c10_tokens_are_counted(prose):
    def tokens(kind):
        return prose.metric("serin_tokens_total", gen_ai_token_type=kind)

    before = tokens("input"), tokens("output"), prose.metric("gen_ai_server_time_to_first_token_seconds_count")
    usage = json.loads(prose.post("/v1/completions", {"prompt": "The file", "max_tokens": 9, "logit_bias": {"1": -100}})[2])["usage"]
    assert usage["completion_tokens"] == 9
    assert prose.until("serin_tokens_total", before[1] + 9, gen_ai_token_type="output")
    assert prose.until("serin_tokens_total", before[0] + usage["prompt_tokens"], gen_ai_token_type="input")
    assert prose.until("gen_ai_server_time_to_first_token_seconds_count", before[2] + 1)


# C11

def resident(worker):
    status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024


def test_c11_models_that_come_and_go_beside_a_worker_are_not_felt_by_it(slow, start):
    """A swap of models is a process that starts beside another and one that ends: what it costs is its own, and goes with it."""
    ask = {"x": 3, "seconds": 0.1}
    expected = json.loads(slow.post("/generate", ask, {"Accept": "application/json"})[2])["outputs"]

    def took():
        began = time.monotonic()
        status, _, body = slow.post("/generate", ask, {"Accept": "application/json"})
        assert status == 200 and json.loads(body)["outputs"] == expected
        return time.monotonic() - began

    def swap():
        for _ in range(3):
            other = start(TYPIST).wait_ready()
            assert other.post("/generate", {"prompt": "a", "max_tokens": 3, "pace": 0})[0] == 200
            assert other.stop() == 0

    alone = [took() for _ in range(20)]
    before = resident(slow)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        beside = [took()]
        while not swapping.done() or len(beside) < 20:
            beside.append(took())
        swapping.result()
    assert statistics.median(beside) < 1.5 * statistics.median(alone)
    assert resident(slow) < before * 1.02


def test_c11_a_version_takes_over_from_another_without_a_lost_request(start):
    """The next version is ready before the last one is told to stop; a client goes to whichever answers."""
    old = start(SLOW, "--version-label", "v1").wait_ready()
    workers, ended, answers = [old], threading.Event(), []

    def client():
        while not ended.is_set():
            for worker in reversed(workers):
                try:
                    status, _, body = worker.post("/generate", {"x": 3, "seconds": 0.05})
                except urllib.error.URLError as error:
                    if not isinstance(error.reason, ConnectionRefusedError):
                        raise
                    continue
                if status != 503:
                    answers.append((status, body))
                    break
            else:
                answers.append((0, b"nobody answered"))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        try:
            for label in ("v2", "v3"):
                before = len(answers)
                assert until(lambda: len(answers) > before + 20)
                workers.append(start(SLOW, "--version-label", label).wait_ready())
                assert workers[-2].stop() == 0
            assert until(lambda: len(answers) > before + 40)
        finally:
            ended.set()
        for one in clients:
            one.result()
    assert {status for status, _ in answers} == {200} and len({body for _, body in answers}) == 1


# Logs

def test_every_line_of_the_log_is_json_whatever_a_framework_writes(start):
    """TensorFlow writes plain lines to standard error while its library is loaded."""
    worker = start(ROOT / "examples/spoken-digits/package").wait_ready()
    assert worker.stop() == 0
    assert [json.loads(line)["message"] for line in worker.log][-1] == "drained"
