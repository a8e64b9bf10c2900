# SPDX-License-Identifier: Apache-2.0
"""Judges the spoken-digits package; exits with 1 when a figure is under the bar.

A small classifier learns digits from recordings of voices that the generator never heard, at
other speeds and pitches, and then listens to 1,000 generated digits. Loudness, distinctness and
the voices' pitch are measured too.

    judge.py [--package package] [--wav-dir DIR]
"""

import argparse
import json
import os
import sys
import wave
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import recordings
import train
import vocoder

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import sampling  # noqa: E402

SEED = 977
SEEDS = 1000
BATCH = 8  # the package's only batch size
TAKES = 12  # of each digit in each of the judge's voices
BAR_RECOGNISED = 0.95
QUIETEST_DB, LOUDEST_DB = -40.0, -10.0  # rms over the second
MOST_CLIPPED = 0.001  # share of samples at the limit


def log_mel(sounds):
    """[N, 16000] to [N, 98, 40]: natural log of mel band power, mean of each second removed."""
    frames = tf.signal.stft(tf.constant(sounds, tf.float32), 400, 160, 512)
    bands = tf.signal.linear_to_mel_weight_matrix(40, 257, recordings.SAMPLE_RATE, 60.0, 7600.0)
    power = tf.tensordot(tf.square(tf.abs(frames)), bands, 1)
    features = tf.math.log(power + 1e-4).numpy()
    return features - features.mean(axis=(1, 2), keepdims=True)


def take(rng, digit, voice):
    """A take at a speed, pitch and intonation drawn evenly from a wide range."""
    return recordings.Take(digit, voice, int(rng.integers(140, 201)), int(rng.integers(25, 76)),
                           int(rng.integers(50, 151)))


def real(voices, count, rng):
    """`count` recordings of each digit in each voice: sounds [N, 16000], digits [N]."""
    takes = [take(rng, digit, voice)
             for voice in voices for digit in range(10) for _ in range(count)]
    sounds = np.stack([recordings.place(rng, sound, int(rng.normal(0, 700)), rng.normal(-21, 2),
                                        rng.normal(-60, 4))
                       for sound in recordings.speak_all(takes)])
    return sounds, np.array([t.digit for t in takes])


def classifier():
    """log_mel features to the logits of ten digits."""
    return keras.Sequential([
        keras.Input((98, 40)),
        layers.GaussianNoise(0.3),
        layers.Conv1D(48, 5, strides=2, activation="relu"),
        layers.Conv1D(64, 5, strides=2, activation="relu"),
        layers.Conv1D(64, 5, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.4),
        layers.Dense(10)])


def train_judge(rng):
    """The trained classifier and its accuracy on a fifth of the voices, unheard by it."""
    unheard = recordings.JUDGE_VOICES[::5]
    heard = [v for v in recordings.JUDGE_VOICES if v not in unheard]
    sounds, digits = real(heard, TAKES, rng)
    model = classifier()
    model.compile(keras.optimizers.Adam(1e-3),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(log_mel(sounds), digits, batch_size=32, epochs=18, verbose=0)
    sounds, digits = real(unheard, 5, rng)
    return model, accuracy(model, sounds, digits)


def accuracy(model, sounds, digits):
    return float(np.mean(np.argmax(model.predict(log_mel(sounds), verbose=0), 1) == digits))


def generate(package, seeds):
    """What the package answers to {"seed": s}: sounds [N, 16000], digits [N], voices [N]."""
    serve = tf.saved_model.load(str(package / "model")).signatures["serving_default"]
    z = np.stack([sampling.normal_noise(s, 0, (train.LATENT,)) for s in seeds])
    digit = np.array([sampling.draw_label(s, 1, 10) for s in seeds])
    voice = np.array([sampling.draw_label(s, 2, len(recordings.VOICES)) for s in seeds])
    sounds = [serve(z=tf.constant(z[i:i + BATCH]), digit=tf.constant(digit[i:i + BATCH]),
                    voice=tf.constant(voice[i:i + BATCH]))["audio"].numpy()
              for i in range(0, len(seeds), BATCH)]
    return np.concatenate(sounds), digit, voice


def median_pitch(sounds):
    """The median pitch in Hz over the voiced frames of all sounds."""
    features = np.concatenate([vocoder.analyse(s) for s in sounds])
    voiced = features[:, vocoder.F0 + 1] < 0.3
    return float(np.exp(np.median(features[voiced, vocoder.F0])))


def pitch_by_voice(sounds, voices, rng):
    """Label -> [real, generated] median pitch in Hz, over twenty sounds each."""
    found = {}
    for index, (label, voice) in enumerate(recordings.VOICES.items()):
        takes = [recordings.Take(digit, voice, 170, int(np.clip(rng.normal(50, 12), 20, 80)), 100)
                 for digit in range(10) for _ in range(2)]
        actual = [recordings.place(rng, s, 0) for s in recordings.speak_all(takes)]
        found[label] = [round(median_pitch(actual)),
                        round(median_pitch(sounds[voices == index][:20]))]
    return found


def write_wav(path, sound):
    """Writes [samples] in [-1, 1] as 16-bit PCM."""
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, recordings.SAMPLE_RATE, 0, "NONE", ""))
        out.writeframes(np.round(sound * 32767).astype("<i2").tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, default=HERE / "package")
    parser.add_argument("--wav-dir", type=Path, help="write the first 20 sounds there")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(2)
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)

    sounds, digits, voices = generate(arguments.package, range(SEEDS))
    again, _, _ = generate(arguments.package, range(2 * BATCH))
    if arguments.wav_dir:
        arguments.wav_dir.mkdir(parents=True, exist_ok=True)
        for i in range(20):
            name = f"{i}-{list(recordings.VOICES)[voices[i]]}-{recordings.WORDS[digits[i]]}.wav"
            write_wav(arguments.wav_dir / name, sounds[i])

    model, on_unheard = train_judge(rng)
    own_sounds, own_digits = real(recordings.VOICES.values(), 5, rng)
    heard = np.argmax(model.predict(log_mel(sounds), verbose=0), 1)
    rms_db = 20 * np.log10(np.sqrt(np.mean(np.square(sounds), axis=1)) + 1e-9)
    clipped = np.mean(np.abs(sounds) >= 0.999, axis=1)
    figures = {
        "recognised": float(np.mean(heard == digits)),
        "recognised_by_digit": {recordings.WORDS[d]: round(float(np.mean(heard[digits == d] == d)),
                                                           3) for d in range(10)},
        "recognised_by_voice": {label: round(float(np.mean((heard == digits)[voices == v])), 3)
                                for v, label in enumerate(recordings.VOICES)},
        "judge_on_real_unheard_voices": on_unheard,
        "judge_on_real_generator_voices": accuracy(model, own_sounds, own_digits),
        "distinct": len({s.tobytes() for s in sounds}),
        "repeats_exactly": bool(np.array_equal(again, sounds[:2 * BATCH])),
        "rms_db": {"lowest": float(rms_db.min()), "median": float(np.median(rms_db)),
                   "highest": float(rms_db.max())},
        "peak": {"lowest": float(np.abs(sounds).max(1).min()),
                 "median": float(np.median(np.abs(sounds).max(1)))},
        "most_clipped_share": float(clipped.max()),
        "clipped_at_all": int(np.count_nonzero(clipped)),
        "pitch_hz_real_and_generated": pitch_by_voice(sounds, voices, rng),
    }
    print(json.dumps(figures, indent=2))
    passed = (figures["recognised"] >= BAR_RECOGNISED and figures["distinct"] == SEEDS
              and figures["repeats_exactly"] and np.isfinite(sounds).all()
              and rms_db.min() > QUIETEST_DB and rms_db.max() < LOUDEST_DB
              and clipped.max() <= MOST_CLIPPED)
    print("passed" if passed else "under the bar")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
