# SPDX-License-Identifier: Apache-2.0
"""The gateway in front of two services, as the clients that people have see it."""
import concurrent.futures
import contextlib
import http.client
import json
import queue
import signal
import socket
import subprocess
import threading
import time

import openai
import pytest
import requests
from gateway import Gateway, service, version
from triton import prompt, rpc
from worker import ROOT, SERIN, until

PROSE = ROOT / "examples/prose/package"


@pytest.fixture
def gateway(tmp_path, prose, glyphs):
    made = Gateway(tmp_path, service("prose", version("v1", prose)), service("glyphs", version("v1", glyphs)))
    yield made.wait_ready()
    made.stop()


def ask(gateway, **more):
    return gateway.post("/v1/completions", {"model": "prose", "prompt": "The file", "max_tokens": 8, **more})


def test_openais_client_finds_each_service_by_its_model(gateway):
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="none") as client:
        assert sorted(model.id for model in client.models.list()) == ["glyphs", "prose"]
        whole = client.completions.create(model="prose", prompt="The file", max_tokens=8, seed=7).choices[0].text
        pieces = client.completions.create(model="prose", prompt="The file", max_tokens=8, seed=7, stream=True)
        assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == whole
        image = client.images.generate(model="glyphs", prompt="a", extra_body={"seed": 3})
        assert image.data[0].b64_json
        with pytest.raises(openai.NotFoundError, match="glyphs and prose"):
            client.completions.create(model="other", prompt="x")


def test_a_worker_is_asked_as_if_nothing_stood_before_it(gateway, prose):
    body = {"prompt": "The file", "seed": 7, "max_tokens": 12}
    direct, through = prose.post("/generate", body), gateway.post("/services/prose/generate", body)
    assert through[0] == 200 and through[2] == direct[2]
    for name in ("Serin-Package", "Serin-Profile", "Serin-Seed", "Content-Type"):
        assert through[1][name] == direct[1][name]
    assert through[1]["Serin-Version"] == "v1" and through[1]["X-Request-Id"]


def test_a_seed_is_drawn_where_the_client_has_none(gateway):
    seeds = {gateway.post("/services/prose/generate", {"prompt": "x", "max_tokens": 1})[1]["Serin-Seed"] for _ in range(4)}
    assert len(seeds) == 4


def test_the_apis_that_name_no_seed_field_of_their_own_take_the_drawn_one(gateway):
    chat = {"model": "prose", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
    for path, body in (("/v1/chat/completions", chat), ("/v1/responses", {"model": "prose", "input": "hi", "max_output_tokens": 2}),
                       ("/v1/images/generations", {"model": "glyphs", "prompt": "a"})):
        status, _, text = gateway.post(path, body)
        assert status in (200, 404), text  # a package without a chat template has no chat
        if status == 404:
            assert b"chat" in text


def test_the_open_inference_protocol_takes_the_drawn_seed_too(gateway):
    text = {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["The file"]}
    body = {"inputs": [text], "parameters": {"max_tokens": 1}}
    seeds = [json.loads(gateway.post("/v2/models/prose/infer", body)[2])["parameters"]["serin_seed"] for _ in range(4)]
    with rpc(gateway) as client:
        answers = [client.infer("prose", prompt("The file"), parameters={"max_tokens": 1}).get_response() for _ in range(4)]
        seeds += [answer.parameters["serin_seed"].int64_param for answer in answers]
    # A worker would have drawn 63 bits.
    assert len(set(seeds)) == 8 and max(seeds) < 2**53, seeds


def test_curl_streams_over_both_versions_of_http(gateway):
    body = json.dumps({"model": "prose", "prompt": "The file", "max_tokens": 4, "seed": 1, "stream": True})
    texts = []
    for protocol in ("--http1.1", "--http2-prior-knowledge"):
        out = subprocess.run(["curl", "-sN", protocol, "-d", body, "-H", "Content-Type: application/json",
                              gateway.url + "/v1/completions"], capture_output=True, text=True, check=True).stdout
        assert out.endswith("data: [DONE]\n\n")
        texts.append("".join(json.loads(line[6:])["choices"][0]["text"] for line in out.splitlines()
                             if line.startswith("data: {") and json.loads(line[6:])["choices"]))
    assert texts[0] == texts[1] != ""


def test_tritons_client_reaches_services_by_name(gateway, prose):
    with rpc(gateway) as client:
        assert client.is_server_live() and client.is_server_ready()
        assert client.is_model_ready("prose") and client.is_model_ready("glyphs")
        assert client.get_model_metadata("glyphs").name == "glyphs"
        answer = client.infer("prose", prompt("The file"), parameters={"seed": 7, "max_tokens": 12})
        assert answer.as_numpy("text")[0] == prose.post("/generate", {"prompt": "The file", "seed": 7, "max_tokens": 12})[2]
        with pytest.raises(Exception, match="no service"):
            client.infer("other", prompt("x"))


def test_a_grpc_stream_of_requests_stays_open(gateway):
    answers = queue.Queue()
    with rpc(gateway) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number in ("1", "2", "3"):
            client.async_stream_infer("prose", prompt("The file"), request_id=number, parameters={"seed": 7, "max_tokens": 3})
            while True:  # the next is sent when this one is answered
                result, error = answers.get(timeout=60)
                assert error is None
                if result.get_response().parameters["triton_final_response"].bool_param:
                    assert result.get_response().id == number
                    break
        client.stop_stream()


def test_a_client_that_leaves_stops_its_generation(gateway, tmp_path, typist):
    gateway.apply(service("typist", version("v1", typist)))
    # By itself it would go on for eight minutes, longer than anybody here waits.
    slowly = {"prompt": "The file", "max_tokens": 480, "pace": 1}
    with requests.post(gateway.url + "/generate", json=slowly, headers={"Accept": "text/event-stream"}, stream=True,
                       timeout=60) as answer:
        next(answer.iter_lines())
        assert typist.metric("serin_requests_running") == 1
    assert typist.until("serin_requests_running", 0)
    records, _ = gateway.evidence("typist")
    assert [record["outcome"] for record in records] == ["censored"]


def test_weights_move_under_load_and_nothing_is_dropped(tmp_path, prose, start):
    second = start(PROSE, "--service", "prose", "--version-label", "v2").wait_ready()
    versions = version("v1", prose), version("v2", second)
    gateway = Gateway(tmp_path, service("prose", *versions)).wait_ready()
    try:
        over, seen = threading.Event(), []

        def load():
            while not over.is_set():
                status, headers, _ = ask(gateway, max_tokens=2)
                seen.append((status, headers["Serin-Version"]))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            users = [pool.submit(load) for _ in range(4)]
            for weight in (0, 1, 0, 0.5, 0):
                gateway.apply(service("prose", *versions, candidate="v2", weight=weight))
                if weight in (0, 1):
                    wanted = "v2" if weight else "v1"
                    assert {ask(gateway, max_tokens=1)[1]["Serin-Version"] for _ in range(10)} == {wanted}
                else:
                    assert until(lambda: {version for _, version in seen[-40:]} == {"v1", "v2"})
            over.set()
            for user in users:
                user.result()
        assert {status for status, _ in seen} == {200}
        records, last = gateway.evidence("prose")
        assert {record["outcome"] for record in records} == {"answered"}
        assert {record["version"] for record in records} == {"v1", "v2"}
        assert gateway.admin("GET", f"/evidence?service=prose&after={last}")[2] == b""
    finally:
        gateway.stop()


def test_a_killed_worker_is_not_noticed_where_there_is_another(tmp_path, start):
    workers = [start(PROSE, "--service", "prose").wait_ready() for _ in range(2)]
    gateway = Gateway(tmp_path, service("prose", version("v1", *workers))).wait_ready()
    try:
        assert ask(gateway)[0] == 200
        workers[0].process.send_signal(signal.SIGKILL)
        workers[0].process.wait()
        assert {ask(gateway, max_tokens=1)[0] for _ in range(30)} == {200}
        assert gateway.metric("serin_gateway_retries_total") > 0
    finally:
        gateway.stop()


def test_a_stopped_worker_is_left_after_the_time_for_the_first_token(tmp_path, start):
    workers = [start(PROSE, "--service", "prose").wait_ready() for _ in range(2)]
    limits = {"firstTokenTimeout": "2s", "timeout": "60s"}
    gateway = Gateway(tmp_path, service("prose", version("v1", *workers), resilience=limits)).wait_ready()
    try:
        workers[0].process.send_signal(signal.SIGSTOP)
        assert {ask(gateway, max_tokens=1)[0] for _ in range(5)} == {200}
        assert until(lambda: ask(gateway, max_tokens=1)[0] == 200 and gateway.metric("serin_gateway_retries_total") > 0)
    finally:
        workers[0].process.send_signal(signal.SIGCONT)
        gateway.stop()


def test_a_killed_gateway_loses_no_evidence_of_what_its_clients_saw(tmp_path, prose):
    kept = ("--evidence", str(tmp_path / "evidence"))
    answered, under_way, numbers = [], 4, []
    for life in range(1, 4):
        gateway = Gateway(tmp_path, service("prose", version("v1", prose)), options=kept).wait_ready()
        over = threading.Event()

        def load():
            with contextlib.suppress(OSError, http.client.HTTPException):
                while not over.is_set():
                    assert ask(gateway, max_tokens=1)[0] == 200
                    answered.append(life)

        with concurrent.futures.ThreadPoolExecutor(under_way) as pool:
            users = [pool.submit(load) for _ in range(under_way)]
            assert until(lambda: answered.count(life) > 20)
            if life == 2:  # of those before, and of some of its own
                numbers += [record["number"] for record in gateway.evidence("prose")[0]]
            assert until(lambda: answered.count(life) > 40)
            gateway.process.kill()
            over.set()
            for user in users:
                user.result()
    gateway = Gateway(tmp_path, service("prose", version("v1", prose)), options=kept).wait_ready()
    try:
        numbers += [record["number"] for record in gateway.evidence("prose", after=numbers[-1])[0]]
        assert numbers == sorted(set(numbers))
        # Those of answers whose last bytes were cut off are there too.
        assert len(answered) <= len(numbers) <= len(answered) + 3 * under_way
    finally:
        gateway.stop()


def test_an_inherited_socket_passes_from_one_gateway_to_the_next(tmp_path, prose):
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = tmp_path / "gateway.json"
    config.write_text(json.dumps({"revision": 1, "services": [service("prose", version("v1", prose))]}))
    line = [SERIN, "gateway", "--config", str(config), "--listen-fd", str(listening.fileno()), "--log-format", "json"]

    def run():
        return subprocess.Popen(line, pass_fds=[listening.fileno()], stderr=subprocess.DEVNULL)

    url = f"http://127.0.0.1:{port}/v1/completions"
    gateway = run()
    try:
        for _ in range(3):
            answer = requests.post(url, json={"prompt": "x", "max_tokens": 1}, timeout=60)
            assert answer.status_code == 200
            gateway.kill()
            gateway.wait()
            gateway = run()  # who comes meanwhile waits in the socket's queue
        assert requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=60).status_code == 200
        gateway.terminate()
        assert gateway.wait(timeout=60) == 0
    finally:
        gateway.kill()
        listening.close()


def test_a_stop_lets_a_stream_end(tmp_path, typist):
    gateway = Gateway(tmp_path, service("typist", version("v1", typist))).wait_ready()
    answer = requests.post(gateway.url + "/v1/completions", stream=True, timeout=60,
                           json={"prompt": "The file", "max_tokens": 40, "stream": True})
    lines = answer.iter_lines()
    next(lines)
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    assert [line for line in lines if line][-1] == b"data: [DONE]"
    assert gateway.process.wait(timeout=60) == 0


def test_a_configuration_that_is_wrong_is_refused_with_its_field(gateway):
    wrong = {"revision": 9, "services": [{"name": "a", "versions": [{"label": "v1"}], "split": {"stable": "v2"}}]}
    status, _, text = gateway.admin("PUT", "/config", wrong)
    assert status == 400 and b"services[0].split.stable" in text
    assert ask(gateway)[0] == 200
