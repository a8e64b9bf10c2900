# SPDX-License-Identifier: Apache-2.0
"""What one client may ask, send and leave lying: every limit of docs/serving.md answers under a code of its own, is counted, and
costs the other clients nothing."""
import concurrent.futures
import json
import pathlib
import queue
import select
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from tritonclient.utils import InferenceServerException

from triton import rpc
from worker import ROOT, served
from wire import open_stream, read_answer, request

PROSE = ROOT / "examples/prose/package"
MOTION = ROOT / "examples/motion/package"
SLOW = pathlib.Path(__file__).parent / "packages/slow"
LONG_TEXT = "The file system " * 60_000  # takes the tokenizer about a second


def error_of(body):
    return json.loads(body)["error"]


def errors_counted(worker, code):
    text = worker.get("/metrics")[2].decode()
    lines = [line for line in text.splitlines() if line.startswith("serin_errors_total") and f'code="{code}"' in line]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0


@pytest.fixture(scope="module")
def prose():
    yield from served(PROSE, "--pool-queue", "1")


@pytest.fixture(scope="module")
def narrow():
    yield from served(SLOW, "--max-header-bytes", "2048", "--max-header-fields", "8", "--header-timeout", "0.4",
                      "--body-timeout", "0.4", "--connections", "6", "--idle-timeout", "1")


# Work that takes long

def test_a_request_that_takes_long_to_read_holds_up_nobody(prose):
    stream, _ = open_stream(prose, "/v1/completions", {"prompt": "The", "max_tokens": 400, "logit_bias": {"1": -100}, "stream": True})
    slow = prose.connect()
    slow.sendall(request("POST", "/v1/completions", json.dumps({"prompt": LONG_TEXT}).encode()))
    assert prose.get("/health/live")[0] == 200
    for _ in range(3):  # tokens still come
        assert stream.recv(65536)
    assert not select.select([slow], [], [], 0)[0], "the long one is still being read"
    status, _, body = read_answer(slow)
    assert (status, error_of(body)["code"]) == (400, "context_length_exceeded")
    stream.close()
    slow.close()


def test_requests_that_wait_to_be_read_are_bounded(prose):
    before = errors_counted(prose, "pool_full")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: prose.post("/v1/completions", {"prompt": LONG_TEXT}), range(12)))
    refused = [answer for answer in answers if answer[0] == 429]
    assert {answer[0] for answer in answers} == {400, 429}
    for _, headers, body in refused:
        assert error_of(body)["code"] == "pool_full" and int(headers["Retry-After"]) >= 1
    assert errors_counted(prose, "pool_full") - before == len(refused)
    assert prose.post("/v1/completions", {"prompt": "The"})[0] == 200


# Sizes

@pytest.mark.parametrize("body,status,code", [
    (b'{"x": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "invalid_json"),
    (b'{"x": 1', 400, "invalid_json"),
    (b'{"y": 1}', 400, "unknown_parameter")])
def test_what_is_wrong_with_a_body_is_counted_under_its_code(narrow, body, status, code):
    before = errors_counted(narrow, code)
    got, _, answer = narrow.post("/generate", body)
    assert (got, error_of(answer)["code"]) == (status, code)
    assert errors_counted(narrow, code) == before + 1


def test_bodies_of_all_requests_together_are_bounded(start):
    worker = start(SLOW, "--max-body-mb", "1", "--bodies-bytes", "1MiB").wait_ready()
    large = {"Content-Length": str(1 << 20)}
    with worker.connect() as first, worker.connect() as second:
        first.sendall(request("POST", "/generate", headers=large))
        assert worker.until("serin_body_bytes", 1 << 20)
        second.sendall(request("POST", "/generate", headers=large))  # and not one byte of its body
        status, headers, body = read_answer(second)
        assert (status, error_of(body)["code"], headers["retry-after"]) == (429, "bodies_full", "1")
        assert worker.metric("serin_bodies_refused_total") == errors_counted(worker, "bodies_full") == 1
        with rpc(worker) as client, pytest.raises(InferenceServerException) as raised:
            client.infer("slow", [])
        assert raised.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert worker.until("serin_body_bytes", 0)
    assert worker.post("/generate", {})[0] == 200


def test_a_grpc_stream_gives_the_room_of_each_message_back(start):
    worker = start(SLOW, "--max-body-mb", "1", "--bodies-bytes", "1MiB").wait_ready()
    answers = queue.Queue()
    with rpc(worker) as client:
        client.start_stream(lambda result, error: answers.put(error))
        for _ in range(4):
            client.async_stream_infer("slow", [], parameters={"padding": "x" * 600_000})
            assert "padding" in answers.get(timeout=60).message()
        client.stop_stream()


def test_how_deep_json_may_be_can_be_said(start):
    nested = b'{"y": ' + b"[" * 70 + b"]" * 70 + b"}"
    shallow, deep = start(SLOW, "--max-json-depth", "3"), start(SLOW, "--max-json-depth", "80")
    shallow.wait_ready(), deep.wait_ready()
    for path, body in (("/generate", b'{"y": [[[]]]}'), ("/v2/models/slow/infer", b'{"inputs": [{"data": [[1]]}]}')):
        status, _, answer = shallow.post(path, body)
        assert (status, error_of(answer)["code"]) == (400, "invalid_json") and "deeper than 3 levels" in error_of(answer)["message"]
        assert error_of(deep.post(path, nested)[2])["code"] != "invalid_json"


def test_a_text_over_the_limit_is_refused_by_name(start):
    worker = start(PROSE, "--max-string-bytes", "1000").wait_ready()
    status, _, body = worker.post("/v1/completions", {"prompt": "a" * 1001})
    assert (status, error_of(body)["code"], error_of(body)["param"]) == (400, "string_above_max_length", "prompt")
    assert errors_counted(worker, "string_above_max_length") == 1


def test_a_video_is_bounded_before_it_is_made(start, tmp_path):
    worker = start(MOTION, "--state", tmp_path).wait_ready()
    for fields, param in (({"size": "4096x4096"}, "size"), ({"prompt": "a" * 32_001}, "prompt")):
        status, _, body = worker.post("/v1/videos", {"prompt": "a circle that moves up", **fields})
        assert (status, error_of(body)["param"]) == (400, param)
    status, _, body = worker.post("/v1/videos", {"prompt": "a circle that moves up", "size": "64x64"})
    assert (status, json.loads(body)["size"]) == (200, "64x64")


@pytest.mark.parametrize("headers", [{f"X-{i}": "1" for i in range(9)}, {"X-Long": "a" * 3000}])
def test_a_head_over_the_limit_is_431_and_counted(narrow, headers):
    before = narrow.metric("serin_protocol_errors_total")
    with narrow.connect() as connection:
        connection.sendall(request("GET", "/health/live", headers=headers))
        assert read_answer(connection)[0] == 431
    assert narrow.metric("serin_protocol_errors_total") == before + 1


# Slow and idle clients

@pytest.mark.parametrize("raw", [
    b"GET /health/live HTTP/1.1\r\nHost: ", b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"])
def test_a_slow_client_is_told_so(narrow, raw):
    with narrow.connect() as connection:
        connection.sendall(raw)
        status, _, body = read_answer(connection)
        assert (status, error_of(body)["code"]) == (408, "slow_client")


def test_an_idle_connection_is_closed(narrow):
    with narrow.connect() as connection:
        assert connection.recv(1) == b""


def test_connections_are_bounded_and_the_refused_are_told_and_counted(narrow):
    before = narrow.metric("serin_connections_refused_total")
    kept = [narrow.connect() for _ in range(6)]
    with narrow.connect() as connection:
        status, headers, body = read_answer(connection)
        assert (status, error_of(body)["code"], headers["retry-after"]) == (503, "too_many_connections", "1")
    for connection in kept:
        connection.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            assert narrow.metric("serin_connections_refused_total") > before
            break
        except (OSError, AssertionError):  # the closed ones are on their way
            assert time.monotonic() < deadline
            time.sleep(0.05)


# Streams of gRPC requests

def field(number, payload):
    return bytes([number << 3 | 2, len(payload)]) + payload


def infer_message(max_tokens):
    """A ModelInferRequest with the parameter max_tokens, with gRPC's prefix."""
    number = b"\x10" + bytes([max_tokens & 0x7F | 0x80, max_tokens >> 7])
    message = field(1, b"prose") + field(4, field(1, b"max_tokens") + field(2, number))
    return b"\0" + struct.pack(">I", len(message)) + message


class GrpcStream:
    """A ModelStreamInfer as bytes."""

    def __init__(self, worker, headers=(), window=None):
        self.connection = worker.connect()
        self.peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.peer.initiate_connection()
        if window is not None:
            self.peer.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.peer.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"),
                                   (":path", "/inference.GRPCInferenceService/ModelStreamInfer"),
                                   ("content-type", "application/grpc"), ("te", "trailers"), *headers])
        self.flush()

    def flush(self):
        self.connection.sendall(self.peer.data_to_send())

    def send(self, message, end=False):
        self.peer.send_data(1, message, end_stream=end)
        self.flush()

    def read_until(self, kind):
        """Messages until an event of this kind, which is given with them."""
        received, self.messages = b"", []
        while True:
            piece = self.connection.recv(65536)
            assert piece, "closed"
            for event in self.peer.receive_data(piece):
                if isinstance(event, h2.events.DataReceived):
                    received += event.data
                    self.peer.acknowledge_received_data(event.flow_controlled_length, 1)
                    while len(received) >= 5 and len(received) >= 5 + (size := struct.unpack(">I", received[1:5])[0]):
                        self.messages.append(received[5:5 + size])
                        received = received[5 + size:]
                elif isinstance(event, kind):
                    return event
            self.flush()


def test_a_grpc_stream_whose_client_does_not_read_is_cut_off(start):
    worker = start(PROSE, "--unsent-bytes", "2000").wait_ready()
    stream = GrpcStream(worker, window=0)
    stream.send(infer_message(450))
    event = stream.read_until(h2.events.StreamReset)
    assert event.stream_id == 1
    assert worker.until("serin_requests_running", 0)
    assert worker.until("serin_requests_cancelled_total", 1)
    assert worker.post("/generate", {"max_tokens": 2})[0] == 200


def test_more_messages_than_fit_wait_on_their_stream(prose):
    stream = GrpcStream(prose)
    for _ in range(40):
        stream.send(infer_message(2))
    stream.send(b"", end=True)
    trailers = dict(stream.read_until(h2.events.TrailersReceived).headers)
    assert trailers["grpc-status"] == "0", trailers
    assert len(stream.messages) == 40 * 3
