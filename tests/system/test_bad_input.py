# SPDX-License-Identifier: Apache-2.0
"""Bad input, a row each: what is sent, and the status, code and field that come back. After all of it the workers answer as before."""
import json

import grpc
import pytest
from tritonclient.grpc import service_pb2

from wire import exchange, request

BOMB = b"[" * 100_000
CHAT = {"messages": [{"role": "user", "content": "x"}]}
V2 = "/v2/models/prose/infer"


def v2(**tensor):
    return {"inputs": [{"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["x"], **tensor}]}


def infer(*inputs, outputs=(), **parameters):
    """A ModelInferRequest to prose; inputs are (name, datatype, shape, raw contents)."""
    message = service_pb2.ModelInferRequest(model_name="prose")
    for name, datatype, shape, raw in inputs:
        message.inputs.add(name=name, datatype=datatype, shape=shape)
        message.raw_input_contents.append(raw)
    for name in outputs:
        message.outputs.add(name=name)
    for name, value in parameters.items():
        parameter = message.parameters[name]
        if isinstance(value, float):
            parameter.double_param = value
        else:
            parameter.int64_param = value
    return message.SerializeToString()


# worker, path, body (bytes as they are, others as JSON), headers, status, code, param
ROWS = [
    # What is no JSON object, by every API.
    ("prose", "/generate", b"{", {}, 400, "invalid_json", None),
    ("prose", "/generate", b"[]", {}, 400, "invalid_json", None),
    ("prose", "/generate", b"\xff\xfe", {}, 400, "invalid_json", None),
    ("prose", "/generate", b'{"seed":1,"seed":2}', {}, 400, "invalid_json", None),
    ("prose", "/generate", b'{"seed":1}x', {}, 400, "invalid_json", None),
    ("prose", "/generate", BOMB, {}, 400, "invalid_json", None),
    ("prose", "/generate", b'{"a":' * 50_000, {}, 400, "invalid_json", None),
    ("prose", "/v1/completions", b"nonsense", {}, 400, "invalid_json", None),
    ("prose", "/v1/chat/completions", BOMB, {}, 400, "invalid_json", None),
    ("prose", "/v1/responses", b'"text"', {}, 400, "invalid_json", None),
    ("glyphs", "/v1/images/generations", b"{]", {}, 400, "invalid_json", None),
    ("spoken_digits", "/v1/audio/speech", b"null", {}, 400, "invalid_json", None),
    ("prose", V2, b"{", {}, 400, "invalid_json", None),
    ("prose", V2, b"[]", {}, 400, "invalid_json", None),
    ("prose", V2, BOMB, {}, 400, "invalid_json", None),
    ("prose", "/v1/models/prose:predict", b"{", {}, 400, "invalid_json", None),
    # A package's own inputs.
    ("glyphs", "/generate", {"colour": "red"}, {}, 400, "unknown_parameter", "colour"),
    ("glyphs", "/generate", {"character": "a"}, {}, 400, "invalid_value", "character"),
    ("glyphs", "/generate", {"character": 5}, {}, 400, "invalid_type", "character"),
    ("glyphs", "/generate", {"style": ["sans"]}, {}, 400, "invalid_type", "style"),
    ("glyphs", "/generate", {"noise": [0]}, {}, 400, "unknown_parameter", "noise"),
    ("glyphs", "/generate", {"seed": -1}, {}, 400, "invalid_value", "seed"),
    ("glyphs", "/generate", {"seed": 1.5}, {}, 400, "invalid_value", "seed"),
    ("glyphs", "/generate", {"seed": "7"}, {}, 400, "invalid_type", "seed"),
    ("glyphs", "/generate", {"seed": 1 << 63}, {}, 400, "invalid_value", "seed"),
    ("glyphs", "/generate", {"steps": 0}, {}, 400, "invalid_value", "steps"),
    ("glyphs", "/generate", {"steps": 101}, {}, 400, "invalid_value", "steps"),
    ("glyphs", "/generate", {"guidance": 11}, {}, 400, "invalid_value", "guidance"),
    ("glyphs", "/generate", {"guidance": "much"}, {}, 400, "invalid_type", "guidance"),
    ("glyphs", "/generate", {"temperature": 1}, {}, 400, "unknown_parameter", "temperature"),
    ("glyphs", "/generate", {}, {"Serin-Timeout": "soon"}, 400, "invalid_argument", "Serin-Timeout"),
    ("glyphs", "/generate", {}, {"Serin-Timeout": "-1s"}, 400, "invalid_argument", "Serin-Timeout"),
    ("glyphs", "/generate", {}, {"Serin-Timeout": "inf"}, 400, "invalid_argument", "Serin-Timeout"),
    ("glyphs", "/generate", {}, {"Serin-Timeout": "nan"}, 400, "invalid_argument", "Serin-Timeout"),
    ("glyphs", "/generate", {}, {"Accept": "audio/wav"}, 406, "not_acceptable", "Accept"),
    ("prose", "/generate", {"prompt": 7}, {}, 400, "invalid_type", "prompt"),
    ("prose", "/generate", {"prompt": [1, "a"]}, {}, 400, "invalid_type", "prompt"),
    ("prose", "/generate", {"prompt": [999_999]}, {}, 400, "invalid_value", "prompt"),
    ("prose", "/generate", {"prompt": [-1]}, {}, 400, "invalid_value", "prompt"),
    ("prose", "/generate", {"prompt": "a b " * 4000}, {}, 400, "context_length_exceeded", "prompt"),
    ("prose", "/generate", {"prompt": "x" * (2 << 20)}, {}, 400, "string_above_max_length", "prompt"),
    ("prose", "/generate", {"max_tokens": 0}, {}, 400, "invalid_value", "max_tokens"),
    ("prose", "/generate", {"steps": 4}, {}, 400, "unknown_parameter", "steps"),
    # OpenAI's.
    ("prose", "/v1/completions", {"model": "other"}, {}, 404, "model_not_found", "model"),
    ("prose", "/v1/completions", {"model": 3}, {}, 400, "invalid_value", "model"),
    ("prose", "/v1/completions", {"prompt": []}, {}, 400, "invalid_value", "prompt"),
    ("prose", "/v1/completions", {"prompt": {"a": 1}}, {}, 400, "invalid_type", "prompt"),
    ("prose", "/v1/completions", {"n": 0}, {}, 400, "invalid_value", "n"),
    ("prose", "/v1/completions", {"n": 17}, {}, 400, "invalid_value", "n"),
    ("prose", "/v1/completions", {"prompt": ["a"] * 17}, {}, 400, "invalid_value", "prompt"),
    ("prose", "/v1/completions", {"best_of": 3}, {}, 400, "invalid_value", "best_of"),
    ("prose", "/v1/completions", {"suffix": "x"}, {}, 400, "invalid_value", "suffix"),
    ("prose", "/v1/completions", {"echo": 1}, {}, 400, "invalid_value", "echo"),
    ("prose", "/v1/completions", {"logprobs": 21}, {}, 400, "invalid_value", "logprobs"),
    ("prose", "/v1/completions", {"stream": "yes"}, {}, 400, "invalid_value", "stream"),
    ("prose", "/v1/completions", {"stream_options": {}}, {}, 400, "invalid_value", "stream_options"),
    ("prose", "/v1/completions", {"temperature": 3}, {}, 400, "invalid_value", "temperature"),
    ("prose", "/v1/completions", {"temperature": "hot"}, {}, 400, "invalid_type", "temperature"),
    ("prose", "/v1/completions", {"top_p": 0}, {}, 400, "invalid_value", "top_p"),
    ("prose", "/v1/completions", {"top_p": 1.1}, {}, 400, "invalid_value", "top_p"),
    ("prose", "/v1/completions", {"presence_penalty": 9}, {}, 400, "invalid_value", "presence_penalty"),
    ("prose", "/v1/completions", {"frequency_penalty": -9}, {}, 400, "invalid_value", "frequency_penalty"),
    ("prose", "/v1/completions", {"stop": 4}, {}, 400, "invalid_type", "stop"),
    ("prose", "/v1/completions", {"logit_bias": {"x": 1}}, {}, 400, "invalid_value", "logit_bias"),
    ("prose", "/v1/completions", {"logit_bias": {"1": 101}}, {}, 400, "invalid_value", "logit_bias"),
    ("prose", "/v1/completions", {"max_tokens": 1 << 40}, {}, 400, "invalid_value", "max_tokens"),
    ("prose", "/v1/completions", {"mirostat": 2}, {}, 400, "unknown_parameter", "mirostat"),
    ("prose", "/v1/completions", {"serin_continue": ["a"]}, {}, 400, "invalid_value", "serin_continue"),
    ("prose", "/v1/completions", {"serin_continue": [1], "n": 2}, {}, 400, "invalid_value", "serin_continue"),
    ("glyphs", "/v1/completions", {"prompt": "x"}, {}, 404, "unsupported_task", None),
    ("prose", "/v1/chat/completions", {}, {}, 400, "invalid_value", "messages"),
    ("prose", "/v1/chat/completions", {"messages": []}, {}, 400, "invalid_value", "messages"),
    ("prose", "/v1/chat/completions", {"messages": ["x"]}, {}, 400, "invalid_value", "messages[0]"),
    ("prose", "/v1/chat/completions", {"messages": [{"role": "king", "content": "x"}]}, {}, 400, "invalid_value", "messages[0].role"),
    ("prose", "/v1/chat/completions", {"messages": [{"role": "user"}]}, {}, 400, "invalid_value", "messages[0].content"),
    ("prose", "/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, {}, 400, "invalid_value", "messages[0].content"),
    ("prose", "/v1/chat/completions", {**CHAT, "tools": [{"type": "function"}]}, {}, 400, "invalid_value", "tools"),
    ("prose", "/v1/chat/completions", {**CHAT, "top_logprobs": 2}, {}, 400, "invalid_value", "top_logprobs"),
    ("prose", "/v1/chat/completions", {**CHAT, "response_format": {"type": "json_object"}}, {}, 400, "invalid_value", "response_format"),
    ("blurbs", "/v1/chat/completions", CHAT, {}, 400, "no_chat_template", None),
    ("prose", "/v1/responses", {}, {}, 400, "invalid_value", "input"),
    ("prose", "/v1/responses", {"input": "x", "background": True}, {}, 400, "invalid_value", "background"),
    ("prose", "/v1/responses", {"input": "x", "previous_response_id": "r"}, {}, 400, "invalid_value", "previous_response_id"),
    ("glyphs", "/v1/images/generations", {"prompt": "nothing known"}, {}, 400, "invalid_value", "prompt"),
    ("glyphs", "/v1/images/generations", {"prompt": "B", "size": "big"}, {}, 400, "invalid_value", "size"),
    ("glyphs", "/v1/images/generations", {"prompt": "B", "size": "0x8"}, {}, 400, "invalid_value", "size"),
    ("glyphs", "/v1/images/generations", {"prompt": "B", "size": "99999x99999"}, {}, 400, "invalid_value", "size"),
    ("glyphs", "/v1/images/generations", {"prompt": "B", "output_format": "bmp"}, {}, 400, "invalid_value", "output_format"),
    ("glyphs", "/v1/images/generations", {"prompt": "B", "response_format": "url"}, {}, 400, "invalid_value", "response_format"),
    ("glyphs", "/v1/images/generations", {"prompt": "B", "n": 17}, {}, 400, "invalid_value", "n"),
    ("glyphs", "/v1/audio/speech", {"input": "7"}, {}, 404, "unsupported_task", None),
    ("spoken_digits", "/v1/audio/speech", {}, {}, 400, "invalid_value", "input"),
    ("spoken_digits", "/v1/audio/speech", {"input": "hello"}, {}, 400, "invalid_value", "input"),
    ("spoken_digits", "/v1/audio/speech", {"input": "7", "voice": "nobody"}, {}, 400, "invalid_value", "voice"),
    ("spoken_digits", "/v1/audio/speech", {"input": "7", "response_format": "midi"}, {}, 400, "invalid_value", "response_format"),
    ("spoken_digits", "/v1/audio/speech", {"input": "7", "speed": 2}, {}, 400, "invalid_value", "speed"),
    # KServe's.
    ("prose", "/v2/models/other/infer", v2(), {}, 404, "model_not_found", "model"),
    ("prose", V2, v2(name="text"), {}, 400, "unknown_input", "text"),
    ("prose", V2, v2(datatype="COMPLEX64"), {}, 400, "invalid_value", "prompt.datatype"),
    ("prose", V2, v2(shape=[2]), {}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(shape=[-1]), {}, 400, "invalid_value", "prompt.shape"),
    ("prose", V2, v2(shape="x"), {}, 400, "invalid_value", "prompt.shape"),
    ("prose", V2, v2(shape=[0], data=[]), {}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(shape=[], data=["x"]), {}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(shape=[1 << 40, 1 << 40]), {}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(data=[7]), {}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(datatype="FP32", data=["x"]), {}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(data=None, parameters={"binary_data_size": 4}), {}, 400, "invalid_value", "prompt.parameters.binary_data_size"),
    ("prose", V2, {"inputs": {}}, {}, 400, "invalid_value", "inputs"),
    ("prose", V2, {"inputs": [], "outputs": [{}]}, {}, 400, "invalid_value", "outputs"),
    ("prose", V2, {"inputs": [], "outputs": [{"name": "picture"}]}, {}, 400, "unknown_output", "picture"),
    ("prose", V2, {"inputs": [], "more": 1}, {}, 400, "unknown_parameter", "more"),
    ("prose", V2, {"inputs": [], "parameters": {"temperature": -1}}, {}, 400, "invalid_value", "temperature"),
    ("prose", V2, v2(), {"Inference-Header-Content-Length": "x"}, 400, "invalid_value", "inference-header-content-length"),
    ("prose", V2, v2(), {"Inference-Header-Content-Length": "99999"}, 400, "invalid_value", "Inference-Header-Content-Length"),
    ("prose", V2, v2(), {"Inference-Header-Content-Length": "10"}, 400, "invalid_json", None),
    ("prose", "/v1/models/prose:predict", {}, {}, 400, "invalid_value", "instances"),
    ("prose", "/v1/models/prose:predict", {"instances": [1]}, {}, 400, "invalid_value", "instances[0]"),
    ("prose", "/v1/models/prose:predict", {"instances": [{}] * 17}, {}, 400, "invalid_value", "instances"),
    # KServe's binary tensors: JSON first, bytes after it.
    ("prose", V2, b'{"inputs":[{"name":"prompt","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}abcd',
     {"Inference-Header-Content-Length": "97"}, 400, "invalid_value", "prompt.parameters.binary_data_size"),
    ("prose", V2, b'{"inputs":[{"name":"prompt","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":4}}]}\xff\0\0\0',
     {"Inference-Header-Content-Length": "97"}, 400, "invalid_value", "prompt"),
    ("prose", V2, v2(), {"Inference-Header-Content-Length": "-1"}, 400, "invalid_value", "inference-header-content-length"),
    # Videos, as JSON and as a form.
    ("motion", "/v1/videos", b"{", {}, 400, "invalid_json", None),
    ("motion", "/v1/videos", {"prompt": 4}, {}, 400, "invalid_value", "prompt"),
    ("motion", "/v1/videos", {"prompt": "circle", "size": "1x"}, {}, 400, "invalid_value", "size"),
    ("motion", "/v1/videos", {"prompt": "circle", "size": "99999x99999"}, {}, 400, "invalid_value", "size"),
    ("motion", "/v1/videos", {"prompt": "circle", "model": "other"}, {}, 404, "model_not_found", "model"),
    ("motion", "/v1/videos", b"--X\r\n", {"Content-Type": "multipart/form-data; boundary=X"}, 400, "invalid_form", None),
    ("motion", "/v1/videos", b"--X--", {"Content-Type": "multipart/form-data"}, 400, "invalid_form", None),
    ("glyphs", "/v1/videos", {"prompt": "circle"}, {}, 404, "unsupported_task", None),
    # Addresses.
    ("prose", "/v1/nothing", {}, {}, 404, "unknown_url", None),
    ("prose", "/", {}, {}, 404, "unknown_url", None),
    ("prose", "/health/live", {}, {}, 405, "wrong_method", None),
    ("prose", "/metrics", {}, {}, 405, "wrong_method", None),
]

# Requests that break HTTP itself: bytes, status, code.
RAW = [
    (b"GET / HTTP/1.1\r\n\r\n", 400, "missing_host"),
    (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "bad_version"),
    (b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_path"),
    (b"GET /%2e%2e/x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_path"),
    (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_method"),
    (b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 501, "no_tunnels"),
    (request("POST", "/generate", b"{}", {"Content-Length": "2x"}), 400, "bad_content_length"),
    (request("POST", "/generate", b"{}", {"Transfer-Encoding": "chunked"}), 400, "ambiguous_length"),
    (request("POST", "/generate", b"", {"Content-Length": None, "Transfer-Encoding": "gzip"}), 501, "bad_transfer_encoding"),
    (request("GET", "/health/live", b"", {"A": "b" * 100_000}), 431, "header_too_large"),
    (request("GET", "/health/live", b"", {f"a{i}": "b" for i in range(200)}), 431, "too_many_fields"),
    (request("GET", "/" + "a" * 100_000), 414, "target_too_long"),
    (request("POST", "/generate", headers={"Content-Length": str(1 << 40)}), 413, "body_too_large"),
]


# gRPC: method, bytes of the message, code, and a word of the message.
INFER = "ModelInfer"
GRPC = [
    ("Nothing", b"", "UNIMPLEMENTED", ""),
    ("ModelReady", b"\x0a\x05other", "NOT_FOUND", "other"),
    ("ModelMetadata", b"\x0a\x05other", "NOT_FOUND", "other"),
    ("ModelMetadata", b"\x0a\x05prose\x12\x019", "NOT_FOUND", "9"),
    ("ModelMetadata", b"\x0a\xff", "INVALID_ARGUMENT", ""),
    (INFER, b"", "NOT_FOUND", ""),
    (INFER, b"\xff\xff\xff", "INVALID_ARGUMENT", ""),
    (INFER, b"\x0a\x05prose\x2a\x7f", "INVALID_ARGUMENT", ""),
    (INFER, infer(("text", "BYTES", [1], b"\x01\0\0\0x")), "INVALID_ARGUMENT", "text"),
    (INFER, infer(("prompt", "COMPLEX64", [1], b"x")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(("prompt", "BYTES", [2], b"\x01\0\0\0x")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(("prompt", "BYTES", [-1], b"\x01\0\0\0x")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(("prompt", "BYTES", [1 << 40, 1 << 40], b"")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(("prompt", "BYTES", [1], b"\xff\xff\xff\xffx")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(("prompt", "BYTES", [1], b"\x01\0")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(("prompt", "BYTES", [1], b"\x02\0\0\0\xff\xfe")), "INVALID_ARGUMENT", "UTF-8"),
    (INFER, infer(("prompt", "FP32", [1], b"\0\0\0\0")), "INVALID_ARGUMENT", "prompt"),
    (INFER, infer(outputs=["picture"]), "INVALID_ARGUMENT", "picture"),
    (INFER, infer(temperature=-1.0), "INVALID_ARGUMENT", "temperature"),
    (INFER, infer(temperature=float("nan")), "INVALID_ARGUMENT", "temperature"),
    (INFER, infer(mirostat=1), "INVALID_ARGUMENT", "mirostat"),
]


def name_of(row):
    body = row[2][:24] if isinstance(row[2], bytes) else json.dumps(row[2])[:40]
    return f"{row[1]} {body!r} {row[3] or ''}"


@pytest.fixture(scope="module")
def before(prose, glyphs, spoken_digits, blurbs, motion):
    return {worker: worker.post("/generate", {"seed": 5})[2] for worker in (prose, glyphs, spoken_digits, blurbs, motion)}


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_bad_input_is_refused_by_name(row, before, request):
    worker, path, body, headers, status, code, param = row
    answer = request.getfixturevalue(worker).post(path, body, headers)
    assert answer[1]["Content-Type"] == "application/json", answer
    error = json.loads(answer[2])["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    assert (answer[0], error["code"], error["param"]) == (status, code, param), error
    assert len(error["message"]) < 700, "what was sent is not sent back whole"


def test_a_body_that_is_no_json_is_said_to_be_none_once(prose):
    message = json.loads(prose.post("/generate", b"nonsense")[2])["error"]["message"]
    assert message.startswith("the body: not JSON: ") and message.count("JSON") == 1, message


@pytest.mark.parametrize("raw,status,code", RAW, ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None)
def test_what_breaks_http_is_refused(raw, status, code, before, glyphs):
    found, headers, body = exchange(glyphs, raw)
    assert (found, json.loads(body)["error"]["code"]) == (status, code)


@pytest.mark.parametrize("method,message,code,word", GRPC, ids=lambda value: repr(value)[:40])
def test_grpc_s_bad_calls_have_their_codes(method, message, code, word, before, prose):
    with grpc.insecure_channel(f"127.0.0.1:{prose.port}") as channel:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}", lambda raw: raw, lambda raw: raw)
        with pytest.raises(grpc.RpcError) as raised:
            call(message, timeout=60)
    assert raised.value.code().name == code and word in raised.value.details(), raised.value


def test_after_all_of_it_the_workers_answer_as_before(before):
    assert len(ROWS) >= 60
    for worker, answer in before.items():
        assert worker.process.poll() is None
        assert worker.post("/generate", {"seed": 5})[2] == answer
