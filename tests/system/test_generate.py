# SPDX-License-Identifier: Apache-2.0
"""POST /generate: a request is an object of inputs, the answer is the medium itself. Read back by other people's decoders."""
import base64
import concurrent.futures
import io
import json

import av
import numpy
import pytest
import soundfile
from PIL import Image

from wire import events


def generate(worker, fields, accept=None, **headers):
    if accept is not None:
        headers["Accept"] = accept
    status, answer, body = worker.post("/generate", fields, headers)
    assert status == 200, body
    return answer, body


def decoded_audio(body):
    """Samples a second, channels and seconds, as PyAV decodes them."""
    with av.open(io.BytesIO(body)) as container:
        stream = container.streams.audio[0]
        count = sum(frame.samples for frame in container.decode(stream))
        return stream.rate, stream.channels, count / stream.rate


@pytest.mark.parametrize("accept,form", [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP")])
def test_a_picture_comes_in_the_form_asked_for(glyphs, accept, form):
    head, body = generate(glyphs, {"seed": 7, "character": "A"}, accept)
    assert head["Content-Type"] == accept
    picture = Image.open(io.BytesIO(body))
    assert (picture.format, picture.size) == (form, (32, 32))
    low, high = picture.convert("L").getextrema()
    assert high - low > 100, "a character stands out from its ground"


def test_every_form_of_a_picture_shows_the_same(glyphs):
    fields = {"seed": 3, "character": "R", "style": "serif-bold"}
    exact = numpy.load(io.BytesIO(generate(glyphs, fields, "application/x-npy")[1]))
    assert exact.shape == (1, 32, 32) and exact.dtype == numpy.float32
    wanted = (exact[0].clip(-1, 1) + 1) / 2 * 255
    for accept, tolerance in (("image/png", 0.51), ("image/jpeg", 16), ("image/webp", 24)):
        picture = numpy.asarray(Image.open(io.BytesIO(generate(glyphs, fields, accept)[1])).convert("L"), float)
        assert abs(picture - wanted).mean() < tolerance, accept


@pytest.mark.parametrize("accept,form,rate", [("audio/wav", "WAV", 16000), ("audio/flac", "FLAC", 16000),
                                              ("audio/ogg", "OGG", 16000), ("audio/mpeg", "MP3", 16000)])
def test_sound_comes_in_the_form_asked_for(spoken_digits, accept, form, rate):
    head, body = generate(spoken_digits, {"seed": 7, "digit": "3"}, accept)
    assert head["Content-Type"] == accept
    with soundfile.SoundFile(io.BytesIO(body)) as sound:
        assert (sound.format, sound.samplerate, sound.channels) == (form, rate, 1)
        samples = sound.read()
    assert abs(len(samples) / rate - 1) < 0.1
    assert abs(samples).max() > 0.05, "somebody speaks"


@pytest.mark.parametrize("accept", ["audio/aac", "audio/mpeg", "audio/ogg"])
def test_compressed_sound_decodes_with_ffmpeg(spoken_digits, accept):
    rate, channels, seconds = decoded_audio(generate(spoken_digits, {"seed": 7}, accept)[1])
    assert rate in (16000, 48000) and channels == 1
    assert 0.95 < seconds < 1.25


def test_pcm_is_sixteen_bit_samples_of_the_wav(spoken_digits):
    fields = {"seed": 7, "digit": "3"}
    pcm = generate(spoken_digits, fields, "audio/pcm")[1]
    wav, _ = soundfile.read(io.BytesIO(generate(spoken_digits, fields, "audio/wav")[1]), dtype="int16")
    assert numpy.array_equal(numpy.frombuffer(pcm, "<i2"), wav)


@pytest.mark.parametrize("accept", ["video/mp4", "video/webm"])
def test_video_comes_in_the_form_asked_for(motion, accept):
    head, body = generate(motion, {"seed": 7, "shape": "circle"}, accept)
    assert head["Content-Type"] == accept
    with av.open(io.BytesIO(body)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == pytest.approx(12, rel=0.02)
    assert len(frames) == 16 and frames[0].shape == (32, 32, 3)
    assert abs(frames[0].astype(int) - frames[-1]).max() > 60, "something moves"


def test_a_gif_plays_all_frames_at_their_rate(motion):
    picture = Image.open(io.BytesIO(generate(motion, {"seed": 7}, "image/gif")[1]))
    assert (picture.format, picture.size, picture.n_frames) == ("GIF", (32, 32), 16)
    total = 0
    for frame in range(picture.n_frames):
        picture.seek(frame)
        total += picture.info["duration"]
    assert total == pytest.approx(16 / 12 * 1000, rel=0.06)


@pytest.mark.parametrize("name", ["prose", "blurbs"])
def test_text_is_plain_text(name, request):
    head, body = generate(request.getfixturevalue(name), {"seed": 7, "max_tokens": 12})
    assert head["Content-Type"] == "text/plain; charset=utf-8"
    assert len(body.decode().strip()) > 5


@pytest.mark.parametrize("name,kind", [("glyphs", "image/png"), ("spoken_digits", "audio/wav"), ("prose", "text/plain; charset=utf-8"),
                                       ("blurbs", "text/plain; charset=utf-8"), ("motion", "video/mp4")])
@pytest.mark.parametrize("fields", [{"seed": 7}, {}])
def test_a_seed_alone_or_nothing_is_a_whole_request(name, kind, fields, request):
    head, body = generate(request.getfixturevalue(name), fields)
    assert head["Content-Type"] == kind and body
    assert int(head["Serin-Seed"]) == fields.get("seed", int(head["Serin-Seed"]))


@pytest.mark.parametrize("accept,kind", [
    ("", "image/png"), ("*/*", "image/png"), ("image/*", "image/png"), ("text/html, image/webp", "image/webp"),
    ("image/png;q=0.1, image/jpeg;q=0.9", "image/jpeg"), ("IMAGE/WEBP", "image/webp"),
    ("image/png;q=0, image/*;q=0.5", "image/jpeg"), ("application/json", "application/json")])
def test_the_accept_field_chooses(glyphs, accept, kind):
    assert generate(glyphs, {"seed": 1}, accept)[0]["Content-Type"] == kind


@pytest.mark.parametrize("accept", ["audio/wav", "text/html", "image/png;q=0", "image/tiff, video/*"])
def test_what_cannot_be_given_is_406_before_anything_is_run(glyphs, accept):
    before = glyphs.metric("serin_batch_rows_count")
    status, _, body = glyphs.post("/generate", {"seed": 1}, {"Accept": accept})
    error = json.loads(body)["error"]
    assert (status, error["code"], error["param"]) == (406, "not_acceptable", "Accept")
    assert "image/png" in error["message"]
    assert glyphs.metric("serin_batch_rows_count") - before <= 12, "at most an idle probe ran"


def test_the_json_form_carries_seed_and_medium(glyphs, prose):
    fields = {"seed": 7, "character": "A"}
    answer = json.loads(generate(glyphs, fields, "application/json")[1])
    assert answer["seed"] == 7
    output = answer["outputs"]["image"]
    assert output["media_type"] == "image/png"
    assert base64.b64decode(output["base64"]) == generate(glyphs, fields, "image/png")[1]
    text = json.loads(generate(prose, {"seed": 7, "max_tokens": 8}, "application/json")[1])["outputs"]["text"]["text"]
    assert text.encode() == generate(prose, {"seed": 7, "max_tokens": 8})[1]


def test_a_stream_shows_progress_previews_and_the_result(glyphs):
    fields = {"seed": 7, "character": "A", "steps": 6}
    head, body = generate(glyphs, fields, "text/event-stream")
    assert head["Content-Type"].startswith("text/event-stream")
    seen = events(body)
    progress = [data for name, data in seen if name == "progress"]
    assert [(p["step"], p["steps"]) for p in progress] == [(i + 1, 6) for i in range(6)]
    pictures = [Image.open(io.BytesIO(base64.b64decode(p["preview"]["base64"]))) for p in progress[:-1]]
    assert "preview" not in progress[-1], "the last step's picture is the result itself"
    assert {p.size for p in pictures} == {(32, 32)}
    assert pictures[0].tobytes() != pictures[-1].tobytes()
    name, result = seen[-1]
    assert name == "result" and result["seed"] == 7
    assert base64.b64decode(result["outputs"]["image"]["base64"]) == generate(glyphs, fields, "image/png")[1]


def test_a_stream_of_text_brings_each_token_and_then_all(prose):
    seen = events(generate(prose, {"seed": 7, "max_tokens": 10, "logit_bias": {"1": -100}}, "text/event-stream")[1])
    tokens = [data for name, data in seen if name == "token"]
    assert [t["index"] for t in tokens] == list(range(10))
    name, result = seen[-1]
    assert name == "result" and result["outputs"]["text"]["text"].startswith("".join(t["text"] for t in tokens))


WHOLE = [("glyphs", {"seed": 41}), ("spoken_digits", {"seed": 41}), ("prose", {"seed": 41, "max_tokens": 24}),
         ("blurbs", {"seed": 41, "max_tokens": 16}), ("motion", {"seed": 41})]


def same(one, other, bitwise):
    """The same bytes; sound in company may differ a little where nobody attested that it does not."""
    if bitwise or not one.startswith(b"RIFF"):
        return one == other
    samples = [soundfile.read(io.BytesIO(wave))[0] for wave in (one, other)]
    return numpy.abs(samples[0] - samples[1]).max() < 1e-3


@pytest.mark.parametrize("name,fields", WHOLE)
def test_the_same_seed_gives_the_same_bytes_also_in_company(name, fields, request):
    worker = request.getfixturevalue(name)
    headers, alone = generate(worker, fields)
    bitwise = headers["Serin-Reproducible"] == "bitwise"
    assert generate(worker, fields)[1] == alone
    with concurrent.futures.ThreadPoolExecutor(17) as pool:
        others = [pool.submit(generate, worker, {**fields, "seed": seed}) for seed in range(1000, 1016)]
        again = pool.submit(generate, worker, fields)
        assert same(again.result()[1], alone, bitwise)
        assert len({other.result()[1] for other in others} | {alone}) > 8, "other seeds give other results"


@pytest.mark.parametrize("name,fields", WHOLE)
def test_an_answer_names_what_made_it_and_can_be_had_again(name, fields, request):
    worker = request.getfixturevalue(name)
    head, body = generate(worker, {key: value for key, value in fields.items() if key != "seed"})
    assert len(head["Serin-Package"].removeprefix("sha256:")) == 64
    assert f'digest="{head["Serin-Package"]}"' in worker.get("/metrics")[2].decode()
    assert head["Serin-Profile"].startswith("cpu/")
    assert generate(worker, {**fields, "seed": int(head["Serin-Seed"])})[1] == body


def test_a_request_id_comes_back(glyphs):
    assert generate(glyphs, {"seed": 1}, **{"X-Request-Id": "abc-123"})[0]["X-Request-Id"] == "abc-123"
