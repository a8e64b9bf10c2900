# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol by Triton's own clients, over REST and gRPC, and KServe's V1 by requests.

spoken-digits holds TensorFlow in its process, whose protobuf must not meet ours: it answers gRPC all the same.
"""
import json
import queue

import numpy
import pytest
import requests
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

from triton import prompt, rpc


@pytest.fixture
def rest(spoken_digits):
    client = http.InferenceServerClient(f"127.0.0.1:{spoken_digits.port}")
    yield client
    client.close()


@pytest.fixture
def digits_rpc(spoken_digits):
    with rpc(spoken_digits) as client:
        yield client


def digits(library, *values, binary=None):
    """Inputs `digit` and `voice`, one row a value."""
    digit = library.InferInput("digit", [len(values)], "BYTES")
    voice = library.InferInput("voice", [len(values)], "BYTES")
    more = {} if binary is None else {"binary_data": binary}
    digit.set_data_from_numpy(numpy.array(values, dtype=object), **more)
    voice.set_data_from_numpy(numpy.array(["adam"] * len(values), dtype=object), **more)
    return [digit, voice]


@pytest.fixture(scope="module")
def wanted(spoken_digits):
    """What digit 3 by adam with seed 7 sounds like, by the plain API."""
    import io
    body = spoken_digits.post("/generate", {"seed": 7, "digit": "3", "voice": "adam"}, {"Accept": "application/x-npy"})[2]
    return numpy.load(io.BytesIO(body))


def test_rest_says_what_it_serves(rest):
    assert rest.is_server_live() and rest.is_server_ready() and rest.is_model_ready("spoken-digits")
    assert not rest.is_model_ready("other")
    assert "binary_tensor_data" in rest.get_server_metadata()["extensions"]
    model = rest.get_model_metadata("spoken-digits")
    assert model["name"] == "spoken-digits" and model["platform"] == "serin_tensorflow"
    assert {field["name"]: field["datatype"] for field in model["inputs"]} == {"digit": "BYTES", "voice": "BYTES"}
    assert model["outputs"] == [{"name": "audio", "datatype": "FP32", "shape": [-1, 16000]}]


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_rest_infers_in_binary_and_in_json(rest, wanted, sent, given):
    outputs = [http.InferRequestedOutput("audio", binary_data=given)]
    result = rest.infer("spoken-digits", digits(http, "3", binary=sent), outputs=outputs, request_id="r1", parameters={"seed": 7})
    assert result.get_response()["id"] == "r1"
    sound = result.as_numpy("audio")
    assert sound.shape == (1, 16000) and sound.dtype == numpy.float32
    numpy.testing.assert_array_equal(sound[0], wanted)


def test_rows_of_a_batch_have_seeds_in_a_row(rest, spoken_digits):
    both = rest.infer("spoken-digits", digits(http, "3", "5"), parameters={"seed": 7}).as_numpy("audio")
    second = rest.infer("spoken-digits", digits(http, "5"), parameters={"seed": 8}).as_numpy("audio")
    assert both.shape == (2, 16000)
    numpy.testing.assert_array_equal(both[1], second[0])


def test_grpc_says_what_it_serves(digits_rpc):
    assert digits_rpc.is_server_live() and digits_rpc.is_server_ready() and digits_rpc.is_model_ready("spoken-digits")
    assert digits_rpc.get_server_metadata().name == "serin"
    model = digits_rpc.get_model_metadata("spoken-digits")
    assert [(field.name, field.datatype) for field in model.inputs] == [("digit", "BYTES"), ("voice", "BYTES")]
    assert [(field.name, field.datatype, list(field.shape)) for field in model.outputs] == [("audio", "FP32", [-1, 16000])]


def test_grpc_infers_what_rest_infers(digits_rpc, wanted):
    result = digits_rpc.infer("spoken-digits", digits(grpc, "3"), request_id="r2", parameters={"seed": 7})
    assert result.get_response().id == "r2"
    numpy.testing.assert_array_equal(result.as_numpy("audio")[0], wanted)


def test_grpc_errors_have_their_codes(digits_rpc):
    with pytest.raises(InferenceServerException) as raised:
        digits_rpc.infer("other", digits(grpc, "3"))
    assert raised.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException) as raised:
        digits_rpc.infer("spoken-digits", digits(grpc, "eleven"))
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT" and "digit" in raised.value.message()
    with pytest.raises(InferenceServerException) as raised:
        digits_rpc.infer("spoken-digits", digits(grpc, "3"), outputs=[grpc.InferRequestedOutput("picture")])
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT" and "picture" in raised.value.message()


def test_a_grpc_deadline_is_kept(typist):
    before = typist.metric("serin_step_seconds_count")
    with rpc(typist) as client:
        with pytest.raises(InferenceServerException) as raised:
            client.infer("typist", prompt("The file"), client_timeout=0.05, parameters={"max_tokens": 480})
    assert raised.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert typist.until("serin_requests_running", 0) and typist.until("serin_requests_waiting", 0)
    assert typist.metric("serin_step_seconds_count") - before < 400, "what nobody waits for is not run on"


def test_a_grpc_stream_brings_text_token_by_token_and_marks_the_last(prose):
    answers = queue.Queue()
    whole = prose.post("/generate", {"prompt": "The file", "seed": 7, "max_tokens": 12})[2].decode()
    with rpc(prose) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number in ("1", "2"):
            client.async_stream_infer("prose", prompt("The file"), request_id=number, parameters={"seed": 7, "max_tokens": 12})
        texts = {"1": [], "2": []}
        order = []
        while len(order) < 2:
            result, error = answers.get(timeout=30)
            assert error is None
            response = result.get_response()
            text = result.as_numpy("text")[0].decode()
            if response.parameters["triton_final_response"].bool_param:
                order.append(response.id)
                assert text == whole
            else:
                texts[response.id].append(text)
        client.stop_stream()
    assert order == ["1", "2"]
    assert len(texts["1"]) == 12 and "".join(texts["1"]) == "".join(texts["2"]) == whole


def test_a_bad_request_in_a_grpc_stream_leaves_the_stream_alive(prose):
    answers = queue.Queue()
    with rpc(prose) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer("prose", prompt("x"), parameters={"temperature": -1.0})
        client.async_stream_infer("prose", prompt("x"), request_id="good", parameters={"max_tokens": 1})
        _, error = answers.get(timeout=30)
        assert error is not None and "temperature" in error.message()
        result, error = answers.get(timeout=30)
        assert error is None and result.get_response().id == "good"
        client.stop_stream()


def test_v1_predicts_a_list_of_instances(spoken_digits, wanted):
    answer = requests.post(spoken_digits.url + "/v1/models/spoken-digits:predict", timeout=30,
                           json={"instances": [{"digit": "3", "voice": "adam", "seed": 7}, {"digit": "4", "seed": 1}]})
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["predictions"]
    assert first["audio"]["shape"] == [16000]
    numpy.testing.assert_array_equal(numpy.array(first["audio"]["data"], numpy.float32), wanted)
    assert second["audio"]["data"] != first["audio"]["data"]


def test_v1_gives_text_as_text(prose):
    ask = {"prompt": "The file", "seed": 7, "max_tokens": 8}
    answer = requests.post(prose.url + "/v1/models/prose:predict", json={"instances": [ask]}, timeout=30)
    assert answer.json() == {"predictions": [{"text": prose.post("/generate", ask)[2].decode()}]}


@pytest.mark.parametrize("path,body,status,code", [
    ("/v1/models/other:predict", {"instances": [{}]}, 404, "model_not_found"),
    ("/v1/models/spoken-digits:predict", {"instances": []}, 400, "invalid_value"),
    ("/v1/models/spoken-digits:predict", {"instances": [{"digit": "x"}]}, 400, "invalid_value"),
    ("/v2/models/other/infer", {"inputs": []}, 404, "model_not_found"),
    ("/v2/models/spoken-digits/versions/9/infer", {"inputs": []}, 404, "model_not_found"),
    ("/v2/models/spoken-digits/infer", {"inputs": [{"name": "pitch", "shape": [1], "datatype": "FP32", "data": [1]}]}, 400, "unknown_input"),
    ("/v2/models/spoken-digits/infer", {"outputs": [{"name": "picture"}]}, 400, "unknown_output")])
def test_errors_of_the_predict_apis(spoken_digits, path, body, status, code):
    answer = requests.post(spoken_digits.url + path, json=body, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_a_flooded_grpc_stream_waits_its_turn_and_its_end_ends_all_of_it(typist):
    answers = queue.Queue()
    with rpc(typist) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for _ in range(40):
            client.async_stream_infer("typist", prompt("The file"), parameters={"max_tokens": 480})
        for _ in range(5):
            assert answers.get(timeout=60)[1] is None
        assert typist.metric("serin_requests_running") + typist.metric("serin_requests_waiting") <= 1
        client.stop_stream(cancel_requests=True)
    assert typist.until("serin_requests_running", 0)
    assert typist.post("/v1/completions", {"prompt": "x", "max_tokens": 1})[0] == 200


def test_grpc_calls_are_counted_when_they_end(prose):
    route = "/inference.GRPCInferenceService/ServerLive"
    before = prose.metric("serin_requests_total", http_route=route)
    with rpc(prose) as client:
        assert client.is_server_live()
    assert prose.until("serin_requests_total", before + 1, http_route=route)


def test_answers_say_what_they_were_made_of(prose):
    ask = {"parameters": {"seed": 7, "max_tokens": 2}, "inputs": []}
    status, headers, body = prose.post("/v2/models/prose/infer", ask)
    said = json.loads(body)["parameters"]
    assert (said["serin_seed"], said["serin_package"]) == (7, headers["Serin-Package"])
    client = grpc.InferenceServerClient(prose.url.removeprefix("http://"))
    whole = client.infer("prose", [], parameters={"seed": 7, "max_tokens": 2}).get_response()
    assert whole.parameters["serin_seed"].int64_param == 7
    assert whole.parameters["serin_package"].string_param == headers["Serin-Package"]
    assert whole.parameters["serin_profile"].string_param == headers["Serin-Profile"]
    streamed = queue.Queue()
    client.start_stream(lambda result, error: streamed.put((result, error)))
    client.async_stream_infer("prose", [], parameters={"seed": 9, "max_tokens": 2})
    while True:
        result, error = streamed.get(timeout=60)
        assert error is None
        if result.get_response().parameters["triton_final_response"].bool_param:
            break
    assert result.get_response().parameters["serin_seed"].int64_param == 9
    client.stop_stream()
