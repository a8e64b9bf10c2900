# SPDX-License-Identifier: Apache-2.0
"""A worker gives what the framework's own Python gives for the same package and request.

The model runs by torch.jit.load or tf.saved_model.load in its framework's interpreter; noise, labels and loops are those
of examples/sampling.py, in numpy.
"""
import contextlib
import functools
import json
import pickle
import subprocess
import sys

import numpy
import pytest
import tokenizers
import tritonclient.http as http

from wire import events
from worker import ROOT, python_with

sys.path.insert(0, str(ROOT / "examples"))
import sampling  # noqa: E402

# How far the two may be apart. Python runs other batch sizes and reads a text in one call instead of in chunks, and
# TensorFlow rewrites a function otherwise than a session's graph, so sums are rounded in another order.
# Media: root of the mean square, and the largest difference, of values in [-1, 1]. A pulse of spoken-digits is the quotient of
# two sines that are both near zero, so a single sample may be further off.
TOLERANCE = {"glyphs": (1e-5, 1e-4), "motion": (1e-6, 1e-5), "spoken-digits": (1e-4, 1e-2)}
# Text: natural logarithms of probabilities, and probabilities.
TEXT_TOLERANCE = 1e-4


def framework(processes, folder, manifest):
    """Opens a model in a process of its framework's Python, which ends with `processes`."""
    process = processes.enter_context(subprocess.Popen(
        [python_with(manifest["engine"]), ROOT / "tests/system/framework.py", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def send(what):
        pickle.dump(what, process.stdin)
        process.stdin.flush()

    def run(arguments):
        send(arguments)
        return pickle.load(process.stdout)

    send(manifest)
    return run


@pytest.fixture(scope="module")
def in_python():
    """The package of an example, its model in Python."""
    with contextlib.ExitStack() as processes:
        opener = functools.partial(framework, processes)
        yield functools.cache(lambda name: sampling.Package(ROOT / f"examples/{name}/package", opener))


def infer(worker, name, labels, result, **parameters):
    """What the Open Inference Protocol gives for one label an input and row, with seeds in a row."""
    inputs = []
    for label, values in labels.items():
        inputs.append(http.InferInput(label, [len(values)], "BYTES"))
        inputs[-1].set_data_from_numpy(numpy.array(values, dtype=object))
    with http.InferenceServerClient(f"127.0.0.1:{worker.port}") as client:
        return client.infer(name, inputs, parameters=parameters).as_numpy(result)


@pytest.mark.parametrize("name,result,labels,parameters", [
    ("glyphs", "state", {"character": ["A", "any", "8"], "style": ["serif", "hand", "mono"]}, {}),
    ("glyphs", "state", {"character": ["Q"], "style": ["sans-italic"]}, {"steps": 1, "guidance": 0.0}),
    ("glyphs", "state", {"character": ["R", "3"]}, {"steps": 5, "guidance": 3.5}),
    ("motion", "clip", {"shape": ["circle", "cross", "square", "triangle", "cross"], "direction": ["up", "down-left", "left", "right", "up"]}, {}),
    ("motion", "clip", {"shape": ["triangle"]}, {}),
    ("spoken-digits", "audio", {"digit": ["3", "8", "0"], "voice": ["adam", "dora", "fiona"]}, {}),
    ("spoken-digits", "audio", {"voice": ["evan", "bella"]}, {})])
def test_media_are_those_of_python(name, result, labels, parameters, in_python, request):
    worker, package = request.getfixturevalue(name.replace("-", "_")), in_python(name)
    rows = [{"seed": 2 ** 40 + row, **dict(zip(labels, values)), **parameters} for row, values in enumerate(zip(*labels.values()))]
    wanted = package.generate(rows)[result]
    given = infer(worker, name, labels, package.manifest["outputs"][0]["name"], seed=2 ** 40, **parameters)
    assert given.shape == wanted.shape and numpy.ptp(wanted) > 0.1
    errors = numpy.abs(given - wanted)
    mean, largest = TOLERANCE[name]
    assert numpy.sqrt(numpy.square(errors).mean()) <= mean and errors.max() <= largest


def answered(worker, **fields):
    """The tokens of a completion and, for each, the logarithms of its own and of the likeliest tokens' probabilities."""
    ask = {"stream": True, "logprobs": 5, "logit_bias": {"1": -100}, **fields}
    tokens, own, likeliest = [], [], []
    for _, chunk in events(worker.post("/v1/completions", ask, {"Serin-Tokens": "include"})[2])[:-1]:
        said = chunk["choices"][0]["logprobs"]
        tokens += chunk.get("serin", {}).get("tokens", [])
        own += said["token_logprobs"] if said else []
        likeliest += [sorted(top.values(), reverse=True) for top in said["top_logprobs"]] if said else []
    return tokens, own, likeliest


def log_softmax(logits):
    shifted = logits.astype(numpy.float64) - logits.max()
    return shifted - numpy.log(numpy.exp(shifted).sum())


@pytest.mark.parametrize("temperature", [0, 0.8])
@pytest.mark.parametrize("name,text,count", [
    ("prose", "This chapter describes how to", 16), ("prose", "The file system is mounted read-only. " * 9, 4), ("prose", "", 8),
    ("blurbs", "games:", 12), ("blurbs", "", 24)])
def test_text_is_that_of_python(name, text, count, temperature, in_python, request):
    """Each token in its turn: its probability, those of the five likeliest, and that it is the one to be drawn."""
    package, seed = in_python(name), 11
    tokenizer = tokenizers.Tokenizer.from_file(str(package.directory / "tokenizer.json"))
    prompt = [package.loop["begin"], *tokenizer.encode(text, add_special_tokens=False).ids]
    tokens, own, likeliest = answered(request.getfixturevalue(name), prompt=text, seed=seed, temperature=temperature, max_tokens=count)
    assert len(tokens) == len(own) == len(likeliest) == count
    for place, token in enumerate(tokens):
        logits = package.logits(prompt + tokens[:place])
        logarithms = log_softmax(logits)
        assert own[place] == pytest.approx(logarithms[token], abs=TEXT_TOLERANCE)
        best = {}
        for one in numpy.argsort(-logarithms)[:5]:
            best.setdefault(tokenizer.decode([one], skip_special_tokens=False), logarithms[one])
        assert likeliest[place] == pytest.approx(list(best.values()), abs=TEXT_TOLERANCE)
        logits[package.loop["end"]] -= 100  # as the request asks, so that an answer is as long as it may be
        if temperature == 0:
            assert token == logits.argmax()
        else:
            sums = numpy.exp(log_softmax(logits / temperature)).cumsum()
            drawn = sampling.uniform_from_words(sampling.blocks(seed, sampling.TEXT_STREAM, place, 1)[0, 0])
            assert sums[token] > drawn - TEXT_TOLERANCE and (token == 0 or sums[token - 1] <= drawn + TEXT_TOLERANCE)
