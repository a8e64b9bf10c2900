# SPDX-License-Identifier: Apache-2.0
"""Serin-Score: how well formed an answer is, in its head or in the trailer of one that streams."""
import json

import pytest

from wire import exchange, request


def form_of(field):
    name, number = field.split("=")
    assert name == "wellFormed"
    return float(number)


@pytest.mark.parametrize("name", ["glyphs", "spoken_digits", "motion"])
def test_what_the_examples_make_is_well_formed(name, request):
    status, head, _ = request.getfixturevalue(name).post("/generate", {"seed": 7})
    assert status == 200 and form_of(head["Serin-Score"]) > 0.9


@pytest.mark.parametrize("name", ["prose", "blurbs"])
def test_a_text_has_a_score(name, request):
    status, head, _ = request.getfixturevalue(name).post("/generate", {"seed": 7, "max_tokens": 12})
    assert status == 200 and 0.3 < form_of(head["Serin-Score"]) <= 1


def test_a_loop_is_scored_lower(prose):
    head = prose.post("/v1/completions", {"prompt": "The file system", "seed": 7, "max_tokens": 100, "logit_bias": {"291": 100}})[1]
    assert form_of(head["Serin-Score"]) < 0.5


def test_several_answers_have_the_score_of_the_least(glyphs):
    status, head, _ = glyphs.post("/v1/images/generations", {"model": "glyphs", "prompt": "A", "n": 2, "seed": 9})
    assert status == 200 and form_of(head["Serin-Score"]) > 0.9


def test_a_stream_ends_with_its_score(prose):
    body = json.dumps({"prompt": "The file system", "max_tokens": 8, "seed": 7, "stream": True}).encode()
    _, head, chunks = exchange(prose, request("POST", "/v1/completions", body, {"Connection": "close"}))
    assert head["trailer"] == "serin-score" and "serin-score" not in head
    assert chunks.endswith(b"\r\n\r\n")
    last = chunks.split(b"0\r\n")[-1].decode().strip()
    assert last.startswith("serin-score: ") and 0 < form_of(last.removeprefix("serin-score: ")) <= 1


def test_tensors_and_errors_have_none(glyphs):
    assert glyphs.post("/generate", {"nonsense": 1})[1]["Serin-Score"] is None
