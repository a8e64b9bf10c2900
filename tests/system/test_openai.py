# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own Python client against real workers."""
import base64
import io
import json
import re

import openai
import pytest
import soundfile
from PIL import Image

# Without the end token an answer is as long as it may be, whatever the weights.
ENDLESS = {"1": -100}


def client(worker):
    return openai.OpenAI(base_url=worker.url + "/v1", api_key="any", max_retries=0)


def test_models_are_listed(prose):
    assert [model.id for model in client(prose).models.list()] == ["prose"]
    assert client(prose).models.retrieve("prose").id == "prose"


def test_completion_has_text_usage_and_reason(prose):
    answer = client(prose).completions.create(model="prose", prompt="The file", max_tokens=12, seed=7, logit_bias=ENDLESS)
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 12


def test_the_same_seed_gives_the_same_text_alone_and_in_company(prose):
    ask = dict(model="prose", prompt="The file", max_tokens=16)
    alone = client(prose).completions.create(seed=7, **ask).choices[0].text
    both = client(prose).completions.create(seed=6, n=4, **ask)
    assert both.choices[1].text == alone
    assert len({choice.text for choice in both.choices}) == 4


def test_a_streamed_completion_is_the_whole_one(prose):
    ask = dict(model="prose", prompt="A program", max_tokens=24, seed=3, logit_bias=ENDLESS)
    whole = client(prose).completions.create(**ask)
    pieces = list(client(prose).completions.create(stream=True, stream_options={"include_usage": True}, **ask))
    assert "".join(p.choices[0].text for p in pieces if p.choices) == whole.choices[0].text
    assert pieces[-1].usage == whole.usage
    assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == "length"


def test_a_stop_string_ends_the_text_and_is_cut(prose):
    ask = dict(model="prose", prompt="The file", max_tokens=64, seed=7, logit_bias=ENDLESS)
    text = client(prose).completions.create(**ask).choices[0].text
    stop = text[10:14]
    cut = client(prose).completions.create(stop=stop, **ask)
    assert cut.choices[0].text == text[:text.index(stop)]
    assert cut.choices[0].finish_reason == "stop"
    streamed = client(prose).completions.create(stop=stop, stream=True, **ask)
    assert "".join(p.choices[0].text for p in streamed) == cut.choices[0].text


def test_a_broken_answer_goes_on_where_it_was(prose):
    ask = dict(model="prose", prompt="The kernel", max_tokens=20, seed=11, logit_bias=ENDLESS)
    ids, texts = [], []
    stream = client(prose).completions.create(stream=True, extra_headers={"Serin-Tokens": "include"}, **ask)
    for piece in stream:
        texts.append(piece.choices[0].text)
        ids += (piece.model_extra.get("serin") or {}).get("tokens", [])
    assert len(ids) == 20
    for place in (1, 7, 19):
        rest = client(prose).completions.create(extra_body={"serin_continue": ids[:place]}, **ask)
        assert "".join(texts).endswith(rest.choices[0].text)
        assert rest.choices[0].text == "".join(texts[place:])


def stream_data(worker, path, body, continued=None):
    """The chunks of a streamed answer without what names it, and the token ids that they brought."""
    body = body | {"stream": True, "stream_options": {"include_usage": True}}
    if continued is not None:
        body["serin_continue"] = continued
    status, _, bytes_ = worker.post(path, body, {"Serin-Tokens": "include"})
    assert status == 200
    chunks = [json.loads(line[6:]) for line in bytes_.decode().splitlines() if line.startswith("data: {")]
    ids = [id for chunk in chunks for id in chunk.get("serin", {}).get("tokens", [])]
    return [chunk["choices"] + [chunk.get("usage"), chunk.get("serin")] for chunk in chunks], ids


@pytest.mark.parametrize("path, ask", [
    ("/v1/completions", {"prompt": "The kernel", "echo": True}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "The kernel"}]}),
])
def test_a_continuation_says_nothing_twice(prose, path, ask):
    ask |= {"max_tokens": 9, "seed": 11, "logit_bias": ENDLESS}
    whole, ids = stream_data(prose, path, ask)
    assert len(ids) == 9
    for place in range(1, 10):
        rest, more = stream_data(prose, path, ask, ids[:place])
        assert more == ids[place:]
        assert rest == whole[-len(rest):]
        assert len(rest) == len(whole) - place - ("messages" in ask)  # that the assistant speaks was said first


def test_logprobs_come_with_each_token(prose):
    answer = client(prose).completions.create(model="prose", prompt="The", max_tokens=4, seed=1, logprobs=3, temperature=0)
    logprobs = answer.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == 4
    for value, top in zip(logprobs.token_logprobs, logprobs.top_logprobs):
        assert value <= 0
        assert value == pytest.approx(max(top.values()))


def test_chat_answers_and_streams(prose):
    ask = dict(model="prose", messages=[{"role": "user", "content": "The file system"}], max_tokens=12, seed=5)
    whole = client(prose).chat.completions.create(**ask)
    assert whole.choices[0].message.role == "assistant"
    pieces = client(prose).chat.completions.create(stream=True, **ask)
    text = "".join(p.choices[0].delta.content or "" for p in pieces)
    assert text == whole.choices[0].message.content


def test_responses_answer_and_stream(prose):
    ask = dict(model="prose", input="The file system", max_output_tokens=16, extra_body={"seed": 5, "logit_bias": ENDLESS})
    whole = client(prose).responses.create(**ask)
    assert whole.output_text and whole.status == "incomplete"
    assert whole.usage.output_tokens == 16
    events = list(client(prose).responses.create(stream=True, **ask))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_pictures_come_in_the_size_and_form_asked_for(glyphs):
    answer = client(glyphs).images.generate(model="glyphs", prompt="A", n=2, size="64x64",
                                            extra_body={"output_format": "webp", "seed": 9})
    pictures = [Image.open(io.BytesIO(base64.b64decode(item.b64_json))) for item in answer.data]
    assert [(p.format, p.size) for p in pictures] == [("WEBP", (64, 64))] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes()


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_speech_comes_in_every_form(spoken_digits, form):
    sound = client(spoken_digits).audio.speech.create(
        model="spoken-digits", input="7", voice=voice(spoken_digits), response_format=form, extra_body={"seed": 4}).content
    if form == "pcm":
        assert len(sound) == 16000 * 2
    elif form != "aac":
        samples, rate = soundfile.read(io.BytesIO(sound))
        assert rate in (16000, 48000) and abs(len(samples) / rate - 1) < 0.1


def voice(worker):
    """One of the package's voices, as its error message lists them."""
    body = worker.post("/v1/audio/speech", {"input": "7", "voice": "nobody"})[2].decode()
    return re.search(r"must be ([\w+-]+)", body).group(1)


def test_an_unknown_model_is_a_404_that_the_client_knows(prose):
    with pytest.raises(openai.NotFoundError) as raised:
        client(prose).completions.create(model="gpt-4", prompt="x")
    assert raised.value.code == "model_not_found" and raised.value.param == "model"


def test_a_wrong_field_is_named(prose):
    with pytest.raises(openai.BadRequestError) as raised:
        client(prose).completions.create(model="prose", prompt="x", temperature=-1)
    assert raised.value.param == "temperature"
