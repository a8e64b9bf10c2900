# SPDX-License-Identifier: Apache-2.0
"""Workers in front of servers that speak OpenAI's API: another worker, and one that breaks every rule."""
import contextlib
import http.server
import json
import signal
import subprocess
import threading

import openai
import pytest

from remote import client, error_of, eventually, openai_package, reason
from worker import ROOT, SERIN, Worker, served
from wire import chunks, drain, events, open_stream

LONG = {"prompt": "The file", "max_tokens": 480, "logit_bias": {"1": -100}, "seed": 1}


# In front of another server that speaks OpenAI's API

@pytest.fixture(scope="module")
def front(prose, tmp_path_factory):
    yield from served(openai_package(tmp_path_factory.mktemp("front"), prose.url + "/v1"))


def test_openais_client_gets_the_upstreams_text_under_our_name(front, prose):
    ask = dict(prompt="The file", max_tokens=12, seed=7)
    theirs = client(prose).completions.create(model="prose", **ask)
    ours = client(front).completions.create(model="front", **ask)
    assert ours.choices[0].text == theirs.choices[0].text
    assert (ours.model, ours.usage) == ("front", theirs.usage)
    chat = client(front).chat.completions.create(model="front", messages=[{"role": "user", "content": "x"}], max_tokens=4)
    assert chat.choices[0].message.content and chat.model == "front"
    assert client(front).responses.create(model="front", input="The", max_output_tokens=4).output_text
    assert [model.id for model in client(front).models.list()] == ["front"]


def test_a_stream_comes_piece_by_piece_and_is_the_whole_text(front):
    ask = dict(model="front", prompt="A program", max_tokens=24, seed=3)
    whole = client(front).completions.create(**ask)
    pieces = list(client(front).completions.create(stream=True, stream_options={"include_usage": True}, **ask))
    assert "".join(p.choices[0].text for p in pieces if p.choices) == whole.choices[0].text
    assert {p.model for p in pieces} == {"front"} and pieces[-1].usage == whole.usage
    events_of = list(client(front).responses.create(model="front", input="The", max_output_tokens=6, stream=True))
    assert events_of[-1].type == "response.incomplete" and events_of[-1].response.model == "front"


def test_the_answer_says_that_it_is_not_reproducible(front):
    for path, fields in (("/v1/completions", {"prompt": "x", "max_tokens": 2}), ("/generate", {"prompt": "x", "max_tokens": 2})):
        _, headers, _ = front.post(path, fields)
        assert (headers["Serin-Reproducible"], headers["Serin-Profile"]) == ("no", "remote"), path
        assert headers["Serin-Package"].startswith("sha256:") and headers["Serin-Seed"] is None
    status, _, body = front.post("/v1/completions", {"prompt": "x", "serin_continue": [1, 2]})
    assert (status, error_of(body)["param"]) == (400, "serin_continue")


def test_generate_gives_text_json_and_events(front, prose):
    ask = {"prompt": "The file", "max_tokens": 8, "seed": 5}
    text = prose.post("/generate", ask, {"Accept": "text/plain"})[2]
    assert front.post("/generate", ask)[2] == text
    assert json.loads(front.post("/generate", ask, {"Accept": "application/json"})[2])["outputs"]["text"]["text"].encode() == text
    seen = events(front.post("/generate", ask, {"Accept": "text/event-stream"})[2])
    assert "".join(data["text"] for name, data in seen if name == "token").encode() == text
    assert seen[-1][0] == "result" and seen[-1][1]["outputs"]["text"]["text"].encode() == text
    assert front.post("/generate", ask, {"Accept": "image/png"})[0] == 406
    assert front.post("/generate", {"seed": 7})[0] == 200


def test_the_upstreams_refusal_is_the_clients_error(front):
    with pytest.raises(openai.BadRequestError) as refused:
        client(front).completions.create(model="front", prompt="x", temperature=77)
    assert refused.value.param == "temperature"
    with pytest.raises(openai.NotFoundError):
        client(front).completions.create(model="another", prompt="x")
    assert front.post("/v1/images/generations", {"prompt": "x"})[0] == 404


def test_a_client_that_goes_away_frees_its_place_upstream(front, prose):
    assert prose.until("serin_requests_running", 0)
    connection, _ = open_stream(front, "/v1/completions", {**LONG, "stream": True})
    assert prose.until("serin_requests_running", 1) and front.until("serin_requests_running", 1)
    connection.close()
    assert prose.until("serin_requests_running", 0) and front.until("serin_requests_running", 0)


def test_a_deadline_is_ours_to_keep(front):
    status, _, body = front.post("/v1/completions", LONG, {"Serin-Timeout": "200ms"})
    assert (status, error_of(body)["code"]) == (504, "deadline_exceeded")
    status, _, body = front.post("/v1/completions", {**LONG, "stream": True}, {"Serin-Timeout": "400ms"})
    name, data = events(body)[-1]
    assert (status, name, data["error"]["code"]) == (200, "error", "deadline_exceeded")


def test_tokens_and_times_are_counted(front):
    before = front.metric("serin_tokens_total"), front.metric("gen_ai_server_time_to_first_token_seconds_count")
    client(front).completions.create(model="front", prompt="The file", max_tokens=5)
    list(client(front).completions.create(model="front", prompt="x", max_tokens=5, stream=True))
    assert front.metric("serin_tokens_total") > before[0] + 5
    assert front.metric("gen_ai_server_time_to_first_token_seconds_count") == before[1] + 1
    assert front.metric("serin_upstream_up") == 1


def test_the_openapi_document_has_what_is_there_and_no_more(front):
    paths = json.loads(front.get("/openapi.json")[2])["paths"]
    assert "/v1/chat/completions" in paths and "/v2" not in paths and "/v1/videos" not in paths
    assert front.get("/v2")[0] == 404


def test_more_than_the_limit_is_429(prose, start, tmp_path):
    worker = start(openai_package(tmp_path, prose.url + "/v1"), "--queue", "1").wait_ready()
    connection, _ = open_stream(worker, "/v1/completions", {**LONG, "stream": True})
    status, headers, body = worker.post("/v1/completions", {"prompt": "x"})
    assert (status, error_of(body)["code"], headers["Retry-After"]) == (429, "queue_full", "1")
    assert reason(worker) is None, "a full worker is ready"
    connection.close()


def test_an_upstream_that_is_killed_makes_us_unready_and_its_return_ready(start, tmp_path):
    path = tmp_path / "upstream.sock"
    worker = start(openai_package(tmp_path / "front", f"unix:{path}:/v1"))
    assert eventually(lambda: "cannot connect" in (reason(worker) or ""))
    status, headers, body = worker.post("/v1/completions", {"prompt": "x"})
    assert (status, error_of(body)["code"]) == (503, "upstream_unavailable") and int(headers["Retry-After"]) >= 1
    upstream = start(ROOT / "examples/prose/package", "--socket", str(path)).wait_ready()
    worker.wait_ready()
    stream, first = open_stream(worker, "/v1/completions", {**LONG, "stream": True})
    upstream.process.kill()
    name, data = events(chunks(drain(stream, first)))[-1]
    assert (name, data["error"]["code"], data["error"]["retryable"]) == ("error", "upstream_broke", True)
    assert eventually(lambda: "upstream: " in (reason(worker) or ""), 5)
    assert worker.metric("serin_upstream_up") == 0


def test_a_stop_tells_streams_that_do_not_end_to_go_elsewhere(prose, start, tmp_path):
    worker = start(openai_package(tmp_path, prose.url + "/v1"), "--drain-within", "0.3").wait_ready()
    stream, first = open_stream(worker, "/v1/completions", {**LONG, "stream": True})
    worker.process.send_signal(signal.SIGTERM)
    name, data = events(chunks(drain(stream, first)))[-1]
    assert (name, data["error"]["code"], data["error"]["retryable"]) == ("error", "draining", True)
    assert worker.process.wait(timeout=20) == 0


def test_golden_text_decides_whether_we_are_ready(prose, start, tmp_path):
    ask = {"prompt": "The purpose of this document is", "temperature": 0, "max_tokens": 8}
    text = prose.post("/generate", ask)[2].decode()
    golden = f"golden:\n- request: {json.dumps(ask)}\n  expect: {{text: %s}}\n"
    good = openai_package(tmp_path / "good", prose.url + "/v1", golden % json.dumps(text))
    start(good).wait_ready()
    assert subprocess.run([SERIN, "package", "verify", good, "--run"], timeout=60).returncode == 0
    bad = openai_package(tmp_path / "bad", prose.url + "/v1", golden % json.dumps(text + "!"))
    worker = start(bad)
    assert eventually(lambda: "golden request 0: text is" in (reason(worker) or ""))
    assert worker.post("/v1/completions", {"prompt": "x"})[0] == 503
    assert subprocess.run([SERIN, "package", "verify", bad, "--reproducible"], capture_output=True).returncode != 0


# Behind TLS

@pytest.fixture(scope="module")
def https_prose(localhost):
    worker = Worker(ROOT / "examples/prose/package", *localhost.options)
    yield worker
    assert worker.stop() == 0


def test_an_upstream_with_a_certificate_of_an_authority_we_trust_is_like_any_other(https_prose, localhost, start, tmp_path):
    package = openai_package(tmp_path, f"https://localhost:{https_prose.port}/v1")
    worker = start(package, environment={"SSL_CERT_FILE": str(localhost.authority)}).wait_ready()
    ask = dict(model="front", prompt="The file", max_tokens=12, seed=7)
    text = client(worker).completions.create(**ask).choices[0].text
    pieces = list(client(worker).completions.create(stream=True, **ask))
    assert text and "".join(piece.choices[0].text for piece in pieces) == text


@pytest.mark.parametrize("host,trusts_it,why", [
    ("localhost", False, "its certificate is refused: unable to get local issuer certificate; if its authority is to be trusted"),
    ("127.0.0.1", True, "its certificate is refused: IP address mismatch"),
], ids=["an authority that nobody named", "another name"])
def test_an_upstream_that_cannot_prove_its_name_gets_no_request(https_prose, localhost, start, tmp_path, host, trusts_it, why):
    environment = {"SSL_CERT_FILE": str(localhost.authority)} if trusts_it else {}
    worker = start(openai_package(tmp_path, f"https://{host}:{https_prose.port}/v1"), environment=environment)
    assert eventually(lambda: f"cannot connect to {host}:{https_prose.port}: TLS: {why}" in (reason(worker) or "")), reason(worker)
    status, _, body = worker.post("/v1/completions", {"prompt": "x"})
    assert (status, error_of(body)["code"]) == (503, "upstream_unavailable") and why in error_of(body)["message"]


def test_authorities_that_cannot_be_read_are_named(start, tmp_path):
    worker = start(openai_package(tmp_path, "https://localhost:1/v1"), environment={"SSL_CERT_FILE": str(tmp_path / "none.pem")})
    assert eventually(lambda: f"from {tmp_path}/none.pem, which SSL_CERT_FILE names" in (reason(worker) or "")), reason(worker)


# Servers that break rules

class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers each path as SCRIPT says: bytes as they are, or a function of the handler."""
    protocol_version = "HTTP/1.1"
    script = {}
    seen = []

    def do_GET(self):
        self.answer(self.script.get(self.path, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((dict(self.headers), self.body))
        self.answer(self.script[self.path])

    def answer(self, what):
        with contextlib.suppress(OSError):
            if callable(what):
                what(self)
            else:
                self.wfile.write(what)
        self.close_connection = True

    def log_message(self, *_):
        pass


def http_answer(status, body, kind="application/json", more=""):
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}".encode()


@pytest.fixture(scope="module")
def scripted():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def broken(scripted, tmp_path_factory):
    folder = openai_package(tmp_path_factory.mktemp("broken"), f"http://127.0.0.1:{scripted.server_port}/v1")
    yield from served(folder)


COMPLETION = {"id": "1", "model": "prose", "choices": [{"text": "x"}]}


@pytest.mark.parametrize("answer,status,code", [
    (b"no HTTP at all\r\n\r\n", 502, "bad_upstream"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n12345678", 502, "bad_upstream"),
    (http_answer(200, "<html>"), 502, "bad_upstream"),
    (http_answer(200, "[" * 5000), 502, "bad_upstream"),
    (http_answer(200, "[1, 2]"), 502, "bad_upstream"),
    (http_answer(302, "", more="Location: http://127.0.0.1:1/\r\n"), 502, "bad_upstream"),
    (http_answer(401, '{"error": "sk-secret"}'), 502, "bad_upstream"),
    (http_answer(500, '{"error": {"message": "boom"}}'), 502, "bad_upstream"),
    (http_answer(503, ""), 503, "upstream_error"),
    (http_answer(429, "", more="Retry-After: 7\r\n"), 429, "upstream_error"),
    (http_answer(422, '{"detail": "no"}'), 400, "upstream_error"),
    (http_answer(413, ""), 413, "body_too_large"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 503, "upstream_broke"),
    (b"", 503, "upstream_broke"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, 502, "bad_upstream"),
])
def test_whatever_an_upstream_says_the_answer_is_ours(broken, answer, status, code):
    Scripted.script["/v1/completions"] = answer
    assert eventually(lambda: reason(broken) is None)
    got, headers, body = broken.post("/v1/completions", {"prompt": "x"})
    assert (got, error_of(body)["code"]) == (status, code), body
    assert b"secret" not in body
    if status in (429, 503):
        assert headers["Retry-After"] == ("7" if status == 429 else "1")
    Scripted.script["/v1/completions"] = http_answer(200, json.dumps(COMPLETION))
    assert eventually(lambda: broken.post("/v1/completions", {"prompt": "x"})[0] == 200)


def sse(*blocks, head="text/event-stream"):
    return f"HTTP/1.1 200 OK\r\nContent-Type: {head}\r\nConnection: close\r\n\r\n".encode() + "".join(blocks).encode()


GOOD = 'data: {"model": "prose", "choices": [{"text": "x"}]}\n\n'


@pytest.mark.parametrize("answer,code,retryable", [
    (sse(GOOD, GOOD), "upstream_broke", True),
    (sse(GOOD, "data: {\n\n"), "bad_upstream", False),
    (sse(GOOD, "data: " + "x" * (2 << 20) + "\n\n"), "bad_upstream", False),
    (sse(GOOD, 'data: {"error": {"message": "out of memory", "code": "oom"}}\n\n'), "oom", False),
    (sse(GOOD, 'event: error\ndata: {"error": {"message": "m", "code": "draining", "retryable": true}}\n\n'), "draining", True),
])
def test_half_a_stream_ends_with_a_typed_error(broken, answer, code, retryable):
    Scripted.script["/v1/completions"] = answer
    assert eventually(lambda: reason(broken) is None)
    status, _, body = broken.post("/v1/completions", {"prompt": "x", "stream": True})
    assert status == 200, body
    seen = events(body)
    assert seen[0][1]["model"] == "front"
    name, data = seen[-1]
    assert (name, data["error"]["code"], data["error"]["retryable"]) == ("error", code, retryable)


def test_a_stream_that_was_asked_for_and_is_none_is_502(broken):
    Scripted.script["/v1/completions"] = http_answer(200, json.dumps(COMPLETION))
    status, _, body = broken.post("/v1/completions", {"prompt": "x", "stream": True})
    assert (status, error_of(body)["code"]) == (502, "bad_upstream")


def test_events_are_passed_on_before_the_next_one_comes(broken):
    go = threading.Event()

    def slowly(handler):
        handler.wfile.write(sse(GOOD))
        handler.wfile.flush()
        go.wait(20)
        handler.wfile.write((GOOD + "data: [DONE]\n\n").encode())

    Scripted.script["/v1/completions"] = slowly
    stream, first = open_stream(broken, "/v1/completions", {"prompt": "x", "stream": True})
    while b"data: " not in first:
        first += stream.recv(4096)
    go.set()
    assert [data for _, data in events(chunks(drain(stream, first)))][-1] == "[DONE]"


def test_the_upstreams_key_comes_from_outside_and_goes_nowhere_else(scripted, start, tmp_path):
    Scripted.script["/v1/completions"] = http_answer(401, '{"error": "wrong key"}')
    key = tmp_path / "key"
    key.write_text("sk-upstream-secret\n")
    url = f"http://127.0.0.1:{scripted.server_port}/v1"
    package = openai_package(tmp_path / "p", url, "  keyVariable: SERIN_UPSTREAM_KEY\n")
    for options, environment in ((["--upstream-key-file", str(key)], {}), ([], {"SERIN_UPSTREAM_KEY": "sk-upstream-secret"})):
        worker = start(package, "--log-level", "debug", *options, environment=environment).wait_ready()
        Scripted.seen.clear()
        _, headers, body = worker.post("/v1/completions", {"prompt": "x"}, {"Authorization": "Bearer the-clients"})
        assert Scripted.seen[-1][0]["authorization"] == "Bearer sk-upstream-secret"
        assert json.loads(Scripted.seen[-1][1])["model"] == "prose"
        said = body.decode() + str(headers) + worker.get("/metrics")[2].decode()
        worker.stop()
        assert "sk-upstream-secret" not in said + "".join(worker.log)
    refused = subprocess.run([SERIN, "serve", package, "--port", "0"], capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0 and "set SERIN_UPSTREAM_KEY" in refused.stderr
