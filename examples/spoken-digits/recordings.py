# SPDX-License-Identifier: Apache-2.0
"""Recordings of spoken digits, made by espeak-ng: what the generator learns from and what judges it.

A recording is float32 [16000]: one second at 16 kHz, samples in [-1, 1]. The generator's voices
and the judge's voices are different sets; nothing that the judge hears was in the training data.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

SAMPLE_RATE = 16000
ESPEAK_RATE = 22050
WAV_HEADER_BYTES = 44
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

# The generator's voices: label -> espeak-ng voice. The order is the value of the input `voice`.
VOICES = {
    "adam": "en-us",
    "bella": "en-us+f2",
    "carl": "en-gb-x-rp+m3",
    "dora": "en-gb-x-rp+f4",
    "evan": "en-gb-scotland+m1",
    "fiona": "en-029+f3",
}

# The judge's voices: other variants (other formants, other registers) and other accents.
JUDGE_VOICES = [
    "en-us+m2", "en-us+m4", "en-us+m7", "en-us+f1", "en-us+f5",
    "en-gb-x-rp+m5", "en-gb-x-rp+m8", "en-gb-x-rp+f1", "en-gb-x-gbclan", "en-gb-x-gbcwmd+f5",
    "en-us-nyc+m4", "en-gb-scotland+m6", "en-gb-scotland+f1", "en-029+m2", "en-029+f1",
]


@dataclass(frozen=True)
class Take:
    """One run of espeak-ng.

    speed: words a minute. pitch: 0 to 99. intonation: how far the pitch moves, in per cent.
    """
    digit: int
    voice: str
    speed: int
    pitch: int
    intonation: int


def speak(take):
    """What espeak-ng says for `take`: float32 [samples] at 16 kHz, silence trimmed, rms 1."""
    command = ["espeak-ng", "-v", take.voice, "-s", str(take.speed), "-p", str(take.pitch),
               "-m", "--stdout",
               f'<prosody range="{take.intonation}%">{WORDS[take.digit]}</prosody>']
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    sound = np.frombuffer(wav[WAV_HEADER_BYTES:], dtype="<i2").astype(np.float64) / 32768
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    sound = sound[loud[0]:loud[-1] + 1]
    # Resampled by cutting the spectrum; the margin keeps the ends from wrapping into each other.
    margin = np.zeros(ESPEAK_RATE // 50)
    padded = np.concatenate([margin, sound, margin])
    length = round(len(padded) * SAMPLE_RATE / ESPEAK_RATE)
    sound = np.fft.irfft(np.fft.rfft(padded)[:length // 2 + 1], length)
    return (sound / np.sqrt(np.mean(np.square(sound)))).astype(np.float32)


def speak_all(takes):
    """`speak` for a list of takes, in order; two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(speak, takes))


def place(rng, sound, shift, rms_db=-21.0, noise_db=-62.0):
    """A second, float32 [16000], with `sound` (from `speak`) `shift` samples from its middle.

    What reaches beyond the second is cut. `rms_db` is the sound's own level and
    `noise_db` that of white noise, both relative to full scale.
    """
    start = (SAMPLE_RATE - len(sound)) // 2 + shift
    from_sample, to_sample = max(start, 0), min(start + len(sound), SAMPLE_RATE)
    second = rng.standard_normal(SAMPLE_RATE) * 10 ** (noise_db / 20)
    second[from_sample:to_sample] += (sound[from_sample - start:to_sample - start]
                                      * 10 ** (rms_db / 20))
    return np.clip(second, -1, 1).astype(np.float32)
