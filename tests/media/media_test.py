# SPDX-License-Identifier: Apache-2.0
"""Decoders that are not ours read every medium that Serin writes: Pillow, soundfile and PyAV.

python3 -m pytest media_test.py, with WRITE_MEDIA naming the program write_media.
"""
import os
import pathlib
import subprocess

import av
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
import soundfile

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("media")
    subprocess.run([os.environ["WRITE_MEDIA"], str(made)], check=True)
    return made


def raw(folder, channels):
    data = np.frombuffer((folder / f"image{channels}.raw").read_bytes(), np.uint8)
    return data.reshape(40, 61, channels)


def psnr(wanted, got):
    error = np.mean((wanted.astype(float) - got.astype(float)) ** 2)
    return 10 * np.log10(255 ** 2 / max(error, 1e-9))


def gradient(width, height, channels, shift):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    across, down = x * 200 // width, y * 200 // height
    planes = [(across + shift) % 256, down, 200 - across][:channels]
    return np.stack([planes[c % len(planes)] for c in range(3)], -1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_exact(folder, channels):
    image = PIL.Image.open(folder / f"image{channels}.png")
    image.load()
    assert (image.format, image.mode, image.size) == ("PNG", MODES[channels], (61, 40))
    assert np.array_equal(np.asarray(image).reshape(40, 61, channels), raw(folder, channels))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_lossy_pictures_come_close(folder, channels, form):
    image = PIL.Image.open(folder / f"image{channels}.{form}")
    assert (image.format, image.size) == (form.upper(), (61, 40))
    got = np.asarray(image.convert(MODES[channels])).reshape(40, 61, channels)
    assert psnr(raw(folder, channels), got) > 30


def test_webp_keeps_alpha(folder):
    got = np.asarray(PIL.Image.open(folder / "image4.webp"))
    assert got.shape == (40, 61, 4)
    assert np.array_equal(got[..., 3], raw(folder, 4)[..., 3])


def tone(rate, channels):
    t = np.arange(int(rate * 0.75)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * (c + 1) * t) for c in range(channels)], -1)


def snr(wanted, got):
    n = min(len(wanted), len(got))
    return 10 * np.log10(np.sum(wanted[:n] ** 2) / max(np.sum((wanted[:n] - got[:n]) ** 2), 1e-12))


def best_snr(wanted, got, most):
    """At the shift, under `most`, where the two correlate best: encoders begin with a delay."""
    size = len(wanted) + len(got)
    spectrum = np.fft.rfft(got[:, 0], size) * np.conj(np.fft.rfft(wanted[:, 0], size))
    shift = int(np.argmax(np.fft.irfft(spectrum, size)[:most]))
    return snr(wanted, got[shift:])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("form", ["wav", "flac", "opus", "mp3"])
def test_soundfile_reads_every_sound(folder, channels, rate, form):
    got, got_rate = soundfile.read(folder / f"sound{channels}-{rate}.{form}", always_2d=True)
    # Opus is always decoded at 48 kHz; libsndfile gives the rate of the source where it is one of Opus's own.
    wanted_rate = 48000 if form == "opus" and rate == 44100 else rate
    assert got_rate == wanted_rate
    assert got.shape[1] == channels
    exact = form in ("wav", "flac")
    assert abs(len(got) / got_rate - 0.75) < (1e-9 if exact else 0.06)
    if exact:
        assert np.abs(got - tone(rate, channels)).max() < 0.6 / 32768
    else:
        assert best_snr(tone(wanted_rate, channels), got, 2600) > 15


def decoded_audio(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        packed = stream.format.is_packed
        channels = stream.channels
        data = np.concatenate([f.reshape(-1, channels) if packed else f.T for f in frames])
        return data.astype(float) / (32768 if data.dtype == np.int16 else 1), stream.rate


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("form", ["wav", "flac", "opus", "mp3", "aac"])
def test_pyav_reads_every_sound(folder, channels, rate, form):
    got, got_rate = decoded_audio(folder / f"sound{channels}-{rate}.{form}")
    wanted_rate = 48000 if form == "opus" else rate
    assert got_rate == wanted_rate
    assert got.shape[1] == channels
    assert abs(len(got) / got_rate - 0.75) < (0.15 if form == "aac" else 0.06)
    assert best_snr(tone(wanted_rate, channels), got, 2600) > 15


def test_pcm_is_the_wav_without_its_header(folder):
    for path in folder.glob("*.pcm"):
        assert path.read_bytes() == path.with_suffix(".wav").read_bytes()[44:]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form,codec", [("mp4", "h264"), ("webm", "vp9")])
@pytest.mark.parametrize("kind,size,frames,rate", [("video", (64, 48), 24, 12), ("odd", (33, 17), 7, 8)])
def test_pyav_reads_every_video(folder, channels, form, codec, kind, size, frames, rate):
    with av.open(str(folder / f"{kind}{channels}.{form}")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name.startswith(codec) or codec in stream.codec_context.name
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert abs(float(stream.average_rate) - rate) < 0.05
        assert abs(container.duration / av.time_base - frames / rate) < 0.1
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    width, height = size if form == "webm" else (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert len(pictures) == frames
    for i, picture in enumerate(pictures):
        assert picture.shape == (height, width, 3)
        assert psnr(gradient(*size, channels, i * 3), picture[:size[1], :size[0]]) > 25


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind,size,frames,rate", [("video", (64, 48), 24, 12), ("odd", (33, 17), 7, 8)])
def test_pillow_reads_every_gif(folder, channels, kind, size, frames, rate):
    image = PIL.Image.open(folder / f"{kind}{channels}.gif")
    assert (image.format, image.size, image.n_frames, image.info["loop"]) == ("GIF", size, frames, 0)
    shown = 0
    for i, frame in enumerate(PIL.ImageSequence.Iterator(image)):
        shown += frame.info["duration"]
        likeness = psnr(gradient(*size, channels, i * 3), np.asarray(frame.convert("RGB")))
        assert likeness > (80 if channels == 1 else 28)
    assert abs(shown / 1000 - frames / rate) < 0.011


def test_gif_of_noise_is_exact_and_keeps_its_duration(folder):
    image = PIL.Image.open(folder / "noise.gif")
    wanted = np.frombuffer((folder / "noise.raw").read_bytes(), np.uint8).reshape(90, 120)
    assert np.array_equal(np.asarray(image.convert("L")), wanted)
    # 12 frames at 120 a second are shown as 5 at 50.
    assert image.n_frames == 5
    assert sum(f.info["duration"] for f in PIL.ImageSequence.Iterator(image)) == 100
