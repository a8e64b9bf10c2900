# SPDX-License-Identifier: Apache-2.0
"""Decoders that are not ours read every medium that Serin writes: Pillow, soundfile and PyAV.

python3 -m pytest media_test.py, with WRITE_MEDIA naming the program write_media.
"""
import io
import os
import subprocess

import av
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
import soundfile

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def write(samples, form, *numbers):
    return subprocess.run([os.environ["WRITE_MEDIA"], form, *map(str, numbers)], input=samples.tobytes(), capture_output=True)


def written(samples, form, *numbers):
    """The file that Serin makes of these samples."""
    done = write(samples, form, *numbers)
    assert done.returncode == 0, done.stderr
    return io.BytesIO(done.stdout)


def psnr(wanted, got):
    error = np.mean((wanted.astype(float) - got.astype(float)) ** 2)
    return 10 * np.log10(255 ** 2 / max(error, 1e-9))


# Pictures.

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (61, 40), (17, 33), (640, 479), (4096, 2731)]
# The longest sides that a form has.
LONGEST = {"png": 65_535, "jpeg": 65_500, "webp": 16_383, "mp4": 16_384, "webm": 16_384, "gif": 65_535}


def sizes_of(form):
    return SIZES + [(LONGEST[form], 1), (1, LONGEST[form])]


def gradient(width, height, channels, shift=0):
    """Smooth in x, y and shift, different in every channel; alpha is opaque on the left and clearer to the right."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    across, down = x * min(200, 8 * width) // width, y * min(200, 8 * height) // height
    moved = 200 - abs((across + shift) % 400 - 200)
    return np.stack([moved, down, 200 - across, 255 - across][:channels], -1).astype(np.uint8)


def on_white(image):
    alpha = image[..., 3:] / 255.0
    return np.round(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def picture(form, image):
    height, width, channels = image.shape
    opened = PIL.Image.open(written(image, form, width, height, channels))
    opened.load()
    assert (opened.format, opened.size) == (form.upper(), (width, height))
    return opened


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("width,height", sizes_of("png"))
def test_png_is_exact(width, height, channels):
    wanted = gradient(width, height, channels)
    got = picture("png", wanted)
    assert got.mode == MODES[channels]
    assert np.array_equal(np.asarray(got).reshape(wanted.shape), wanted)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("width,height", sizes_of("jpeg"))
def test_jpeg_comes_close_and_puts_what_is_clear_on_white(width, height, channels):
    image = gradient(width, height, channels)
    got = picture("jpeg", image)
    assert got.mode == ("L" if channels == 1 else "RGB")
    wanted = on_white(image) if channels == 4 else image
    assert psnr(wanted, np.asarray(got).reshape(wanted.shape)) > 30


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("width,height", sizes_of("webp"))
def test_webp_comes_close_and_keeps_alpha(width, height, channels):
    image = gradient(width, height, channels)
    got = picture("webp", image)
    if channels == 4:
        pixels = np.asarray(got.convert("RGBA"))
        assert np.array_equal(pixels[..., 3], image[..., 3])
        assert psnr(on_white(image), on_white(pixels)) > 30
    else:
        assert psnr(np.broadcast_to(image, (height, width, 3)), np.asarray(got.convert("RGB"))) > 30


# Sound.

RATES = [1, 100, 2_000, 7_919, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 44_101, 48_000, 64_000, 65_537,
         88_200, 96_000, 176_400, 192_000, 384_000, 655_351, 768_000]
# The rates that a form has; a sound of another is written at the next above, or at the highest.
RATES_OF = {"opus": [8_000, 12_000, 16_000, 24_000, 48_000],
            "mp3": [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000],
            "aac": [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000]}


def written_rate(form, rate):
    if form == "flac":
        return min(rate if rate < 65_536 else -(-rate // 10) * 10, 655_350)
    return next((one for one in RATES_OF.get(form, []) if one >= rate), RATES_OF.get(form, [rate])[-1])


def tone(rate, channels, count, hertz):
    """One tone a channel, at half of full scale."""
    t = np.arange(count) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * hertz * (c + 1) * t) for c in range(channels)], -1)


def sound(form, rate, channels, count):
    """The file, and what it must sound like at the rate that it is given back at."""
    hertz = min(440, rate / 40)
    made = written(tone(rate, channels, count, hertz).astype(np.float32), form, rate, channels)
    return made, lambda at: tone(at, channels, round(count * at / rate), hertz)


def snr(wanted, got):
    n = min(len(wanted), len(got))
    return 10 * np.log10(np.sum(wanted[:n] ** 2) / max(np.sum((wanted[:n] - got[:n]) ** 2), 1e-12))


def best_snr(wanted, got, most):
    """At the shift, under `most`, where the two correlate best: encoders begin with a delay."""
    size = len(wanted) + len(got)
    spectrum = np.fft.rfft(got[:, 0], size) * np.conj(np.fft.rfft(wanted[:, 0], size))
    shift = int(np.argmax(np.fft.irfft(spectrum, size)[:most]))
    return snr(wanted, got[shift:])


def decoded(file):
    """Samples of [-1, 1] and their rate, by FFmpeg."""
    with av.open(file) as container:
        stream = container.streams.audio[0]
        frames = [frame.to_ndarray() for frame in container.decode(stream)]
        shaped = [frame.reshape(-1, stream.channels) if stream.format.is_packed else frame.T for frame in frames]
        data = np.concatenate(shaped)
        return data.astype(float) / (32768 if data.dtype == np.int16 else 1), stream.rate


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("form", ["wav", "flac"])
def test_wav_and_flac_are_exact(form, rate, channels):
    made, like = sound(form, rate, channels, max(1, rate * 3 // 4))
    at = written_rate(form, rate)
    got, got_rate = soundfile.read(made, always_2d=True)
    made.seek(0)
    again, again_rate = decoded(made)
    assert np.array_equal(again, got) and again_rate == got_rate == at
    wanted = like(at)
    if at == rate:
        assert got.shape == wanted.shape and np.abs(got - wanted).max() < 0.6 / 32768
    else:
        assert abs(len(got) - len(wanted)) <= 1 and got.shape[1] == channels and snr(wanted, got) > 60


def read_by_soundfile(file):
    return soundfile.read(file, always_2d=True)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("form,reader", [("opus", decoded), ("opus", read_by_soundfile), ("mp3", decoded), ("mp3", read_by_soundfile),
                                         ("aac", decoded)])
def test_compressed_sound_comes_close(form, reader, rate, channels):
    made, like = sound(form, rate, channels, max(1, rate * 3 // 4))
    got, got_rate = reader(made)
    # Opus is always decoded at 48 kHz; libsndfile gives the rate that the encoder was given.
    assert got_rate == (48_000 if form == "opus" and reader == decoded else written_rate(form, rate))
    assert got.shape[1] == channels
    wanted = like(got_rate)
    # AAC in ADTS has no place to say how long the encoder's delay is, and how long its last block's rest.
    longer = len(got) - len(wanted)
    assert 0 <= longer <= 3 * 1024 if form == "aac" else abs(longer) <= 2
    if rate >= 2_000:  # below, the tone is too deep for these encoders
        assert best_snr(wanted, got, 3_000) > 15


@pytest.mark.parametrize("form", ["wav", "flac", "opus", "mp3", "aac"])
def test_one_sample_is_a_sound(form):
    got, _ = decoded(written(np.full(1, 0.5, np.float32), form, 16_000, 1))
    assert 1 <= len(got) <= 3 * 1024


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [1, 16_000, 768_000])
def test_pcm_is_the_wav_without_its_header(rate, channels):
    assert sound("pcm", rate, channels, 999)[0].read() == sound("wav", rate, channels, 999)[0].read()[44:]


# Video.

RATES_OF_FRAMES = [0.1, 1, 7.5, 12, 23.976, 24_000 / 1001, 29.97, 59.94, 120, 999, 1000]
SHOWN = 50  # the most frames a second of a GIF, where browsers do not slow it down


def clip(width, height, channels, frames):
    """A gradient that moves."""
    return np.stack([gradient(width, height, channels, 3 * i) for i in range(frames)])


def check_video(form, clip, rate):
    frames, height, width, channels = clip.shape
    with av.open(written(clip, form, width, height, channels, rate)) as container:
        stream = container.streams.video[0]
        assert {"mp4": "h264", "webm": "vp9"}[form] in stream.codec_context.name
        assert stream.codec_context.pix_fmt == "yuv420p"
        pictures = list(container.decode(stream))
        tolerance = 0.0011 if form == "webm" else 0.0002  # WebM counts milliseconds
        assert abs(container.duration / av.time_base - frames / rate) < tolerance
    assert len(pictures) == frames
    even = (width + width % 2, height + height % 2)  # H.264 has no others
    for i, picture in enumerate(pictures):
        assert (picture.width, picture.height) == ((width, height) if form == "webm" else even)
        assert abs(picture.time - i / rate) < tolerance
        shown = picture.to_ndarray(format="rgb24")
        assert psnr(np.broadcast_to(clip[i], (height, width, 3)), shown[:height, :width]) > 25


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["mp4", "webm"])
@pytest.mark.parametrize("width,height", [(1, 1), (1, 64), (64, 1), (2, 2), (33, 17), (64, 48), (1921, 1081), (16_384, 1), (1, 16_384)])
def test_pyav_reads_video_of_every_size(form, width, height, channels):
    check_video(form, clip(width, height, channels, 3), 8)


@pytest.mark.parametrize("form", ["mp4", "webm"])
@pytest.mark.parametrize("rate", RATES_OF_FRAMES)
def test_pyav_reads_video_of_every_rate(form, rate):
    check_video(form, clip(33, 17, 3, 7), rate)


@pytest.mark.parametrize("form", ["mp4", "webm"])
@pytest.mark.parametrize("frames", [1, 2, 24, 300])
def test_pyav_reads_video_of_every_length(form, frames):
    check_video(form, clip(33, 17, 3, frames), 12)


def check_gif(clip, rate):
    frames, height, width, channels = clip.shape
    # Above 50 frames a second some are left out, and the duration stays.
    step = max(1, rate / SHOWN)
    shown = max(1, round(frames / step))
    image = PIL.Image.open(written(clip, "gif", width, height, channels, rate))
    assert (image.format, image.size, image.n_frames) == ("GIF", (width, height), shown)
    assert image.info.get("loop") == (0 if shown > 1 else None)
    milliseconds = 0
    for i, frame in enumerate(PIL.ImageSequence.Iterator(image)):
        milliseconds += frame.info["duration"]
        wanted = clip[int(i * step)]
        got = np.asarray(frame.convert("RGB"))
        assert psnr(np.broadcast_to(wanted, got.shape), got) > (80 if channels == 1 else 28)
    assert abs(milliseconds / 1000 - shown * step / rate) < 0.0051  # GIF counts hundredths


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width,height", [(1, 1), (1, 64), (64, 1), (33, 17), (64, 48), (1921, 1081), (65_535, 1), (1, 65_535)])
def test_pillow_reads_gif_of_every_size(width, height, channels):
    check_gif(clip(width, height, channels, 3), 8)


@pytest.mark.parametrize("rate", RATES_OF_FRAMES)
def test_pillow_reads_gif_of_every_rate(rate):
    check_gif(clip(33, 17, 3, 7), rate)


@pytest.mark.parametrize("frames", [1, 2, 24, 300])
def test_pillow_reads_gif_of_every_length(frames):
    check_gif(clip(33, 17, 3, frames), 12)


def test_gif_of_noise_is_exact():
    """Noise fills and clears the code table again and again."""
    check_gif(np.random.default_rng(1).integers(0, 256, (12, 90, 120, 1), np.uint8), 120)


@pytest.mark.parametrize("form", sorted(LONGEST))
def test_a_side_that_is_too_long_for_a_form_is_said_to_be(form):
    rate = [8] if form in ("mp4", "webm", "gif") else []
    longest = LONGEST[form]
    for width, height in ((longest + 1, 1), (1, longest + 1)):
        done = write(gradient(width, height, 3), form, width, height, 3, *rate)
        assert done.returncode == 1 and str(longest) in done.stderr.decode()
