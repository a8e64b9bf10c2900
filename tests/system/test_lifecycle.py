# SPDX-License-Identifier: Apache-2.0
"""How a worker starts, is overloaded, loses clients and ends. Tests with a C and a number answer what users of other servers
complain of most: a shutdown that cuts streams (C3), streams that break untyped (C4), work for clients that left (C5), queues
without an end (C6), health that lies (C7), silence while loading (C8), errors after a 200 (C9), metrics without a version (C10).
"""
import concurrent.futures
import hashlib
import json
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import time

import h2.config
import h2.connection
import h2.events
import pytest
from prometheus_client.parser import text_string_to_metric_families

from worker import ROOT, SERIN, served
from wire import chunks, drain, events, exchange, open_stream, request

PROSE = ROOT / "examples/prose/package"
SLOW = pathlib.Path(__file__).parent / "packages/slow"
LONG = {"prompt": "The file", "max_tokens": 480, "logit_bias": {"1": -100}, "seed": 1}


@pytest.fixture(scope="module")
def slow():
    yield from served(SLOW, "--queue", "2", "--ready-within", "1")


def error_of(body):
    return json.loads(body)["error"]


# C3

def test_c3_a_stop_lets_streams_finish_and_loses_no_request(start):
    worker = start(PROSE).wait_ready()
    whole = worker.post("/v1/completions", {**LONG, "max_tokens": 250})[2]
    stream, first = open_stream(worker, "/v1/completions", {**LONG, "max_tokens": 250, "stream": True})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(worker.post, "/generate", {"prompt": "A", "max_tokens": 60, "seed": seed}) for seed in range(12)]
        deadline = time.monotonic() + 20
        while worker.metric("serin_requests_running") + worker.metric("serin_requests_waiting") < 13:
            assert time.monotonic() < deadline
        worker.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 1
        while worker.get("/health/ready")[0] != 503 and time.monotonic() < until:
            pass
        status, _, body = worker.get("/health/ready")
        assert (status, json.loads(body)["reason"]) == (503, "draining")
        assert worker.get("/health/live")[0] == 200
        status, headers, body = worker.post("/generate", {"seed": 1})
        assert (status, error_of(body)["code"]) == (503, "draining") and int(headers["Retry-After"]) >= 1
        assert [answer.result()[0] for answer in waiting] == [200] * 12
    seen = events(chunks(drain(stream, first)))
    stream.close()
    assert seen[-1] == ("message", "[DONE]")
    text = "".join(data["choices"][0]["text"] for _, data in seen[:-1])
    assert text == json.loads(whole)["choices"][0]["text"]
    assert worker.process.wait(timeout=20) == 0


def test_c3_what_does_not_finish_in_time_is_told_to_try_elsewhere(start):
    worker = start(PROSE, "--drain-within", "0.3").wait_ready()
    stream, first = open_stream(worker, "/v1/completions", {**LONG, "n": 8, "stream": True})
    worker.process.send_signal(signal.SIGTERM)
    name, data = events(chunks(drain(stream, first)))[-1]
    stream.close()
    assert name == "error"
    assert (data["error"]["code"], data["error"]["retryable"]) == ("draining", True)
    assert worker.process.wait(timeout=20) == 0


# C4

@pytest.mark.parametrize("path,fields,accept", [
    ("/v1/completions", {**LONG, "stream": True}, None),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 400, "logit_bias": {"1": -100}, "stream": True}, None),
    ("/v1/responses", {"input": "x", "max_output_tokens": 400, "logit_bias": {"1": -100}, "stream": True}, None),
    ("/generate", LONG, "text/event-stream")])
def test_c4_an_error_in_a_stream_is_typed_and_says_whether_to_retry(prose, path, fields, accept):
    headers = {"Serin-Timeout": "300ms", **({"Accept": accept} if accept else {})}
    status, head, body = prose.post(path, fields, headers)
    assert status == 200 and head["Content-Type"].startswith("text/event-stream")
    seen = events(body)
    assert len(seen) > 1, "the stream had begun"
    name, data = seen[-1]
    assert name == "error"
    error = data["error"]
    assert (error["code"], error["type"], error["retryable"]) == ("deadline_exceeded", "server_error", False)
    assert prose.until("serin_requests_running", 0)


# C5

GONE = [("/v1/completions", {**LONG, "stream": True}), ("/v1/completions", LONG), ("/v1/completions", {**LONG, "n": 8}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 450, "logit_bias": {"1": -100}}),
        ("/v1/responses", {"input": "x", "max_output_tokens": 450, "logit_bias": {"1": -100}, "stream": True}),
        ("/generate", LONG), ("/v1/models/prose:predict", {"instances": [LONG]}),
        ("/v2/models/prose/infer", {"parameters": {"max_tokens": 450, "logit_bias": {"1": -100}}, "inputs": []})]


@pytest.mark.parametrize("way", ["closed", "reset"])
@pytest.mark.parametrize("path,fields", GONE)
def test_c5_a_client_that_goes_away_frees_its_place(prose, path, fields, way):
    assert prose.until("serin_requests_running", 0)
    before = prose.metric("serin_requests_cancelled_total")
    connection = prose.connect()
    connection.sendall(request("POST", path, json.dumps(fields).encode()))
    assert prose.until("serin_requests_running", fields.get("n", 1))
    if way == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    assert prose.until("serin_requests_running", 0, 1.0)
    assert prose.until("serin_requests_cancelled_total", before + 1)


def test_c5_a_reset_stream_of_http2_frees_its_place_and_leaves_the_others(prose):
    connection = prose.connect()
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    peer.initiate_connection()
    for stream in (1, 3):
        fields = LONG if stream == 1 else {**LONG, "max_tokens": 30}
        body = json.dumps(fields).encode()
        peer.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/generate")])
        peer.send_data(stream, body, end_stream=True)
    connection.sendall(peer.data_to_send())
    assert prose.until("serin_requests_running", 2)
    peer.reset_stream(1)
    connection.sendall(peer.data_to_send())
    assert prose.until("serin_requests_running", 1, 1.0) or prose.metric("serin_requests_running") == 0
    ended = False
    while not ended:
        for event in peer.receive_data(connection.recv(65536)):
            assert not (isinstance(event, h2.events.ResponseReceived) and event.stream_id == 1)
            ended = ended or (isinstance(event, h2.events.StreamEnded) and event.stream_id == 3)
        connection.sendall(peer.data_to_send())
    connection.close()
    assert prose.until("serin_requests_running", 0, 1.0)


# C6

def test_c6_a_full_queue_answers_429_and_stays_ready(slow):
    ask = {"rounds": 400}
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = [pool.submit(slow.post, "/generate", {**ask, "x": x}, {"Accept": "application/json"}) for x in range(12)]
        assert slow.get("/health/ready")[0] == 200, "a full queue is no fault"
        answers = [answer.result() for answer in answers]
    statuses = sorted(status for status, _, _ in answers)
    assert set(statuses) == {200, 429} and statuses.count(200) >= 3, statuses
    for status, headers, body in answers:
        if status == 429:
            assert 1 <= int(headers["Retry-After"]) <= 60
            assert (error_of(body)["code"], error_of(body)["type"]) == ("queue_full", "rate_limit_error")
    assert slow.post("/generate", {})[0] == 200


# C7

def test_c7_a_stuck_call_makes_a_worker_unready_in_time_and_its_end_ready_again(slow):
    assert slow.get("/health/ready")[0] == 200
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        answer = pool.submit(slow.post, "/generate", {"rounds": 3500})
        while slow.get("/health/ready")[0] == 200:
            assert not answer.done() and time.monotonic() - began < 30
            time.sleep(0.05)
        assert 0.9 < time.monotonic() - began < 2.5
        body = json.loads(slow.get("/health/ready")[2])
        assert body["status"] == "not_ready" and body["reason"].startswith("stuck")
        assert slow.get("/v2/health/ready")[0] == 503
        assert slow.get("/health/live")[0] == 200, "restarting is somebody else's decision"
        assert answer.result()[0] == 200
    assert slow.get("/health/ready")[0] == 200


def test_c7_an_idle_worker_proves_itself(slow):
    before = slow.metric("serin_batch_rows_count")
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert slow.get("/health/ready")[0] == 200
        time.sleep(0.1)
    assert 2 <= slow.metric("serin_batch_rows_count") - before <= 7


# C8

def test_c8_a_loading_worker_says_so(start):
    worker = start(PROSE)
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
        text = prose.get("/metrics")[2].decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return [s.value for s in families["serin_tokens"].samples if s.labels.get("gen_ai_token_type") == kind][0]

    before = tokens("input"), tokens("output"), prose.metric("gen_ai_server_time_to_first_token_seconds_count")
    usage = json.loads(prose.post("/v1/completions", {"prompt": "The file", "max_tokens": 9, "logit_bias": {"1": -100}})[2])["usage"]
    assert tokens("output") - before[1] == usage["completion_tokens"] == 9
    assert tokens("input") - before[0] == usage["prompt_tokens"]
    assert prose.metric("gen_ai_server_time_to_first_token_seconds_count") - before[2] == 1


# Deadlines

def test_a_request_whose_deadline_passed_in_the_queue_is_not_run(slow):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(slow.post, "/generate", {"rounds": 700})
        assert slow.until("serin_requests_running", 1)
        before = slow.metric("serin_batch_rows_count")
        began = time.monotonic()
        status, _, body = slow.post("/generate", {"rounds": 700}, {"Serin-Timeout": "50ms"})
        assert (status, error_of(body)["code"]) == (504, "deadline_exceeded")
        assert busy.result()[0] == 200
    assert slow.until("serin_requests_running", 0) and slow.until("serin_requests_waiting", 0)
    # The busy one, and at most a probe: never the one that was late.
    assert slow.metric("serin_batch_rows_count") - before <= 2
    assert time.monotonic() - began < 5


def test_a_worker_s_own_deadline_is_for_requests_without_one(start):
    worker = start(SLOW, "--timeout", "0.2").wait_ready()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(worker.post, "/generate", {"rounds": 600}, {"Serin-Timeout": "20s"})
        assert worker.until("serin_requests_running", 1)
        assert worker.post("/generate", {})[0] == 504
        assert busy.result()[0] == 200


# Limits

def test_a_body_over_the_limit_is_413_also_when_it_comes_in_chunks(start):
    worker = start(SLOW, "--max-body-mb", "1").wait_ready()
    status, _, body = exchange(worker, request("POST", "/generate", headers={"Content-Length": str(2 << 20)}))
    assert (status, error_of(body)["code"]) == (413, "body_too_large")
    raw = request("POST", "/generate", headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    raw += b"".join(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(20))
    assert exchange(worker, raw)[0] == 413
    assert worker.post("/generate", {})[0] == 200


def test_a_client_without_a_key_is_refused_but_health_is_open(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"# two customers\n{hashlib.sha256(b'one').hexdigest()}\n{hashlib.sha256(b'two').hexdigest()}  # the second\n")
    worker = start(SLOW, "--key-file", str(keys)).wait_ready()
    for headers in ({}, {"Authorization": "Bearer three"}, {"Authorization": "Bearer "}, {"Authorization": "one"}):
        status, head, body = worker.post("/generate", {}, headers)
        assert (status, error_of(body)["code"], head["WWW-Authenticate"]) == (401, "invalid_api_key", "Bearer"), headers
    for key in ("one", "two"):
        assert worker.post("/generate", {}, {"Authorization": f"Bearer {key}"})[0] == 200
    assert worker.get("/v1/models")[0] == 401 and worker.get("/v2")[0] == 401
    for path in ("/health/live", "/health/ready", "/health/startup", "/metrics", "/v2/health/ready"):
        assert worker.get(path)[0] == 200, path


def test_a_key_file_that_holds_keys_in_the_clear_is_refused(tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    ended = subprocess.run([SERIN, "serve", SLOW, "--port", "0", "--key-file", tmp_path / "keys"], capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0 and "SHA-256" in ended.stderr and "keys:1" in ended.stderr


@pytest.fixture
def certificate(tmp_path):
    """A certificate for localhost that vouches for itself."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_tls_is_1_2_and_up_and_speaks_http2_by_alpn(start, certificate):
    worker = start(SLOW, "--tls-certificate", certificate[0], "--tls-key", certificate[1])
    url = f"https://localhost:{worker.port}/health/ready"
    curl = ["curl", "-sS", "--cacert", certificate[0], "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    deadline = time.monotonic() + 60
    while not (ended := subprocess.run([*curl, url], capture_output=True, text=True)).stdout.startswith("200"):
        assert time.monotonic() < deadline, ended
        time.sleep(0.1)
    assert ended.stdout == "200 2"
    assert subprocess.run([*curl, "--http1.1", url], capture_output=True, text=True).stdout == "200 1.1"
    old = ssl.create_default_context(cafile=certificate[0])
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with socket.create_connection(("127.0.0.1", worker.port), 10) as plain, old.wrap_socket(plain, server_hostname="localhost"):
            pass
    assert subprocess.run([*curl, url], capture_output=True, text=True).stdout == "200 2"


def test_a_socket_in_the_file_system_is_served_too(start, tmp_path):
    path = tmp_path / "worker.sock"
    start(SLOW, "--socket", path).wait_ready()
    ended = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/health/ready"], capture_output=True, text=True)
    assert json.loads(ended.stdout)["status"] == "ready"
    assert path.stat().st_mode & 0o777 == 0o600
