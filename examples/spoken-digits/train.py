# SPDX-License-Identifier: Apache-2.0
"""Trains the spoken-digits generator from nothing and exports it as a SavedModel.

A convolutional decoder learns the vocoder's features of espeak-ng recordings (recordings.py,
vocoder.py) from the digit, the voice and the Gaussian factors that each recording was made with.
These factors are the generator's noise. The export holds the decoder and the vocoder's synthesis:
z [N, 6], digit [N], voice [N] -> audio [N, 16000].

    train.py [--package package] [--minutes M] [--threads 2]
"""

import argparse
import multiprocessing
import os
import shutil
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import recordings
import vocoder

HERE = Path(__file__).resolve().parent

SEED = 20260
# The columns of z. The decoder learns the first four; the last two are plain arithmetic.
PACE, PITCH, INTONATION, PLACE, LEVEL, BRIGHTNESS = range(6)
LATENT = 6
LEARNT = 4
PACE_WPM = (170, 15)  # mean and standard deviation
PITCH_STEPS = (50, 12)
INTONATION_PERCENT = (100, 25)
PLACE_SAMPLES = 600  # standard deviation, as the three below
LEVEL_DB = 1.5
BRIGHTNESS_DB = 1.0  # at the top of the spectrum, and less by as much at the bottom
NEPERS = np.log(10) / 10  # of power, in a decibel

CHANNELS = 64
START = vocoder.FRAMES // 4  # frames before the decoder's two doublings
TAKES = 14  # of each digit in each voice
BATCH = 24
LAST_STEP = 3000  # where the learning rate ends, unless the minutes end first


def factors(rng, count):
    """The learnt columns of z for `count` recordings: float [count, LEARNT], within 2.5."""
    return np.clip(rng.standard_normal((count, LEARNT)), -2.5, 2.5)


def example(job):
    """One recording: (seed, digit, voice) -> its factors [LEARNT] and features.

    Factors are what espeak-ng's whole numbers really were.
    """
    seed, digit, voice = job
    rng = np.random.default_rng([SEED, seed])
    z = factors(rng, 1)[0]
    speed, pitch, intonation = (int(round(mean + deviation * z[column]))
                                for column, (mean, deviation) in
                                ((PACE, PACE_WPM), (PITCH, PITCH_STEPS),
                                 (INTONATION, INTONATION_PERCENT)))
    z[PACE] = (speed - PACE_WPM[0]) / PACE_WPM[1]
    z[PITCH] = (pitch - PITCH_STEPS[0]) / PITCH_STEPS[1]
    z[INTONATION] = (intonation - INTONATION_PERCENT[0]) / INTONATION_PERCENT[1]
    take = recordings.Take(digit, list(recordings.VOICES.values())[voice], speed, pitch, intonation)
    shift = int(round(PLACE_SAMPLES * z[PLACE]))
    return z, vocoder.analyse(recordings.place(rng, recordings.speak(take), shift))


def dataset(kept=None):
    """Factors [R, LEARNT], features [R, FRAMES, FEATURES], digits [R] and voices [R].

    kept: a file from which they are read if it exists, and to which they are written if not.
    """
    if kept and kept.exists():
        with np.load(kept) as arrays:
            return tuple(arrays[name] for name in ("z", "features", "digits", "voices"))
    pairs = [(digit, voice) for digit in range(len(recordings.WORDS))
             for voice in range(len(recordings.VOICES)) for _ in range(TAKES)]
    jobs = [(seed, *pair) for seed, pair in enumerate(pairs)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        z, features = zip(*pool.map(example, jobs, chunksize=32))
    z, features, (digits, voices) = np.array(z, np.float32), np.stack(features), np.array(pairs).T
    if kept:
        np.savez(kept, z=z, features=features, digits=digits, voices=voices)
    return z, features, digits, voices


class Scale:
    """Features to values of about unit size and back; aperiodicity stays as it is."""

    def __init__(self, features):
        self.mean = features.mean(axis=(0, 1))
        self.deviation = features.std(axis=(0, 1))
        self.deviation[:vocoder.BANDS] = features[:, :, :vocoder.BANDS].std()
        self.mean[vocoder.F0 + 1:] = 0.0
        self.deviation[vocoder.F0 + 1:] = 1.0

    def normalise(self, features):
        return (features - self.mean) / self.deviation

    def restore(self, values):
        """tf [N, FRAMES, FEATURES] of the decoder to features, kept within what speech has."""
        features = values * self.deviation.astype(np.float32) + self.mean.astype(np.float32)
        return tf.concat([
            tf.clip_by_value(features[:, :, :vocoder.BANDS], np.log(vocoder.FLOOR), 8.0),
            tf.clip_by_value(features[:, :, vocoder.F0:vocoder.F0 + 1], np.log(55.), np.log(380.)),
            tf.clip_by_value(features[:, :, vocoder.F0 + 1:], 0.0, 1.0)], axis=2)


def importance(features):
    """How much each value's error counts: [R, FRAMES, FEATURES].

    Quiet frames count less; pitch counts where the low band is periodic.
    """
    loudness = features[:, :, :vocoder.BANDS].max(axis=2)
    loudness = loudness - loudness.max(axis=1, keepdims=True)
    loud = np.clip(1 + (loudness + 5) / 8, 0.15, 1)[:, :, None]
    voiced = 1 - features[:, :, vocoder.F0 + 1:vocoder.F0 + 2]
    weights = np.repeat(loud, vocoder.FEATURES, axis=2)
    weights[:, :, vocoder.F0:vocoder.F0 + 1] *= 0.02 + 4 * voiced
    return weights.astype(np.float32)


def residual(x, about):
    """Two convolutions over time, scaled and moved by the condition `about` [N, width]."""
    y = layers.LayerNormalization(epsilon=1e-5)(x)
    y = layers.Conv1D(CHANNELS, 5, padding="same")(y)
    scale = layers.Reshape((1, CHANNELS))(layers.Dense(CHANNELS, bias_initializer="ones")(about))
    shift = layers.Reshape((1, CHANNELS))(layers.Dense(CHANNELS)(about))
    y = layers.Activation("relu")(layers.Add()([layers.Multiply()([y, scale]), shift]))
    y = layers.Conv1D(CHANNELS, 3, padding="same")(y)
    return layers.Add()([x, y])


def build_decoder():
    """Factors [N, LEARNT], digit [N], voice [N] to normalised features [N, FRAMES, FEATURES]."""
    z = keras.Input((LEARNT,), name="z")
    digit = keras.Input((), dtype="int64", name="digit")
    voice = keras.Input((), dtype="int64", name="voice")
    near = {"embeddings_initializer": keras.initializers.RandomNormal(stddev=0.7)}
    about = layers.Concatenate()([
        z, layers.Embedding(len(recordings.WORDS), 32, **near)(digit),
        layers.Embedding(len(recordings.VOICES), 16, **near)(voice)])
    about = layers.Dense(128, activation="relu")(layers.Dense(128, activation="relu")(about))
    x = layers.Reshape((START, 32))(layers.Dense(START * 32)(about))
    x = layers.Conv1D(CHANNELS, 3, padding="same")(x)
    x = residual(residual(x, about), about)
    x = residual(layers.UpSampling1D(2)(x), about)
    x = residual(layers.UpSampling1D(2)(x), about)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model([z, digit, voice], layers.Conv1D(vocoder.FEATURES, 5, padding="same")(x))


def moved(rng, z, features, weights):
    """Each example moved by up to 4 frames, its PLACE with it; new float32 arrays."""
    z, features, weights = z.copy(), features.copy(), weights.copy()
    for i, by in enumerate(rng.integers(-4, 5, len(z))):
        at = np.clip(np.arange(vocoder.FRAMES) - by, 0, vocoder.FRAMES - 1)
        features[i], weights[i] = features[i, at], weights[i, at]
        z[i, PLACE] += by * vocoder.HOP / PLACE_SAMPLES
    return z, features, weights


def fit(decoder, z, features, weights, digits, voices, minutes):
    """Trains until LAST_STEP or, if `minutes` is given, until they are over."""
    optimizer = keras.optimizers.Adam(learning_rate=0.0, beta_2=0.99)
    optimizer.build(decoder.trainable_variables)

    @tf.function
    def step(z, features, weights, digit, voice, rate):
        with tf.GradientTape() as tape:
            error = weights * tf.square(decoder([z, digit, voice], training=True) - features)
            error = tf.reduce_sum(error) / tf.reduce_sum(weights)
        gradients = tape.gradient(error, decoder.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 0.5)
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(gradients, decoder.trainable_variables))
        return error

    rng = np.random.default_rng(SEED + 1)
    began, done, taken, mean = time.monotonic(), 0.0, 0, 0.0
    while done < 1.0:
        rate = 2e-3 * min(1, (taken + 1) / 100) * (0.02 + 0.98 * (1 - done) ** 1.3)
        chosen = rng.integers(0, len(features), BATCH)
        batch = moved(rng, z[chosen], features[chosen], weights[chosen])
        error = float(step(*map(tf.constant, batch), tf.constant(digits[chosen]),
                           tf.constant(voices[chosen]), tf.constant(rate, tf.float32)))
        taken += 1
        mean += max(0.02, 1 / taken) * (error - mean)
        done = taken / LAST_STEP
        if minutes:
            done = max(done, (time.monotonic() - began) / (60 * minutes))
        if taken % 100 == 0 or done >= 1.0:
            print(f"step {taken} error {mean:.4f} seconds {time.monotonic() - began:.0f}",
                  flush=True)


def export(decoder, scale, path):
    """Writes the SavedModel with one signature, serving_default."""
    module = tf.Module()
    module.weights = [v.value for v in decoder.variables]
    slope = np.zeros(vocoder.FEATURES, np.float32)
    slope[:vocoder.BANDS] = np.linspace(-1, 1, vocoder.BANDS)
    power = np.zeros(vocoder.FEATURES, np.float32)
    power[:vocoder.BANDS] = 1

    @tf.function(input_signature=[tf.TensorSpec((None, LATENT), tf.float32, name="z"),
                                  tf.TensorSpec((None,), tf.int64, name="digit"),
                                  tf.TensorSpec((None,), tf.int64, name="voice")])
    def serve(z, digit, voice):
        z = tf.clip_by_value(z, -2.5, 2.5)  # as the recordings were
        features = scale.restore(decoder([z[:, :LEARNT], digit, voice], training=False))
        level = z[:, LEVEL, tf.newaxis, tf.newaxis] * (LEVEL_DB * NEPERS)
        brightness = z[:, BRIGHTNESS, tf.newaxis, tf.newaxis] * (BRIGHTNESS_DB * NEPERS)
        features += level * power + brightness * slope
        return {"audio": tf.clip_by_value(vocoder.synthesise(features), -1.0, 1.0)}

    shutil.rmtree(path, ignore_errors=True)
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, default=HERE / "package")
    parser.add_argument("--minutes", type=float, help="end early after so many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recordings", type=Path, help="an .npz file to keep the features in")
    arguments = parser.parse_args()

    z, features, digits, voices = dataset(arguments.recordings)  # forks, so before TensorFlow starts its threads
    print(f"{len(features)} recordings", flush=True)
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(SEED)
    scale = Scale(features)
    decoder = build_decoder()
    print(f"{decoder.count_params()} parameters", flush=True)
    fit(decoder, z, scale.normalise(features).astype(np.float32), importance(features),
        digits, voices, arguments.minutes)
    export(decoder, scale, arguments.package / "model")


if __name__ == "__main__":
    main()
