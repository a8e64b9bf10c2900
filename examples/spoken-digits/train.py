#!/usr/bin/env python3
"""Trains the spoken-digits generator from nothing and exports it as a SavedModel.

A conditional variational autoencoder learns the vocoder's features of espeak-ng recordings
(see recordings.py and vocoder.py). What is exported is its decoder followed by the vocoder's
synthesis: z [N, 16], digit [N], voice [N] -> audio [N, 16000].

    python3 train.py [--out package/model] [--minutes 20]
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

SEED = 20260
LATENT = 16
CHANNELS = 96
START = vocoder.FRAMES // 4  # frames before the decoder's two doublings
TAKES = 56  # of each digit in each voice
BATCH = 48
LAST_STEP = 6000  # where the learning rate ends, unless the minutes end first
SPREAD = 0.2  # what the decoder's error is measured in, in units of normalised features


def takes(rng):
    """Every digit in every voice, `TAKES` times, at Gaussian speeds and pitches."""
    chosen = []
    for voice in recordings.VOICES.values():
        for digit in range(len(recordings.WORDS)):
            for _ in range(TAKES):
                speed = int(np.clip(170 + 15 * rng.standard_normal(), 130, 215))
                pitch = int(np.clip(50 + 12 * rng.standard_normal(), 10, 90))
                chosen.append(recordings.Take(digit, voice, speed, pitch))
    return chosen


def example(job):
    """Features, float32 [FRAMES, FEATURES], of one placed recording; `job` is (seed, take)."""
    seed, take = job
    rng = np.random.default_rng([SEED, seed])
    return vocoder.analyse(recordings.place(rng, recordings.speak(take)))


def dataset():
    """Features [examples, FRAMES, FEATURES], digits [examples] and voices [examples]."""
    chosen = takes(np.random.default_rng(SEED))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        features = np.stack(pool.map(example, enumerate(chosen), chunksize=32))
    names = list(recordings.VOICES.values())
    return (features, np.array([t.digit for t in chosen]),
            np.array([names.index(t.voice) for t in chosen]))


class Scale:
    """Features to values of about unit size and back; aperiodicity stays as it is."""

    def __init__(self, features):
        self.mean = features.mean(axis=(0, 1))
        deviation = features.std(axis=(0, 1))
        deviation[:vocoder.BANDS] = features[:, :, :vocoder.BANDS].std()
        self.mean[vocoder.F0 + 1:] = 0.0
        deviation[vocoder.F0 + 1:] = 1.0
        self.deviation = deviation

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
    """How much each value's error counts: [examples, FRAMES, FEATURES].

    Quiet frames count less; pitch counts where the low band is periodic.
    """
    loudness = features[:, :, :vocoder.BANDS].max(axis=2)
    loudness = loudness - loudness.max(axis=1, keepdims=True)
    loud = np.clip(1 + (loudness + 4) / 8, 0.1, 1)[:, :, None]
    voiced = 1 - features[:, :, vocoder.F0 + 1:vocoder.F0 + 2]
    weights = np.repeat(loud, vocoder.FEATURES, axis=2)
    weights[:, :, vocoder.F0:vocoder.F0 + 1] *= 0.02 + 4 * voiced
    weights[:, :, vocoder.F0 + 1:] *= 0.5
    return weights.astype(np.float32)


def condition(width):
    """The inputs `digit` and `voice` [N], and their joint embedding [N, width]."""
    digit = keras.Input((), dtype="int64", name="digit")
    voice = keras.Input((), dtype="int64", name="voice")
    both = layers.Concatenate()([layers.Embedding(len(recordings.WORDS), width)(digit),
                                 layers.Embedding(len(recordings.VOICES), width)(voice)])
    return digit, voice, layers.Dense(width, activation="gelu")(both)


def residual(x, about):
    """Two convolutions over time, moved by the condition `about` [N, width]."""
    shift = layers.Reshape((1, CHANNELS))(layers.Dense(CHANNELS)(about))
    y = layers.LayerNormalization(epsilon=1e-5)(x)
    y = layers.Conv1D(CHANNELS, 5, padding="same")(y)
    y = layers.Activation("gelu")(layers.Add()([y, shift]))
    y = layers.Conv1D(CHANNELS, 3, padding="same")(y)
    return layers.Add()([x, y])


def build_encoder():
    """Normalised features and labels to the posterior's mean and log variance, [N, 2 LATENT]."""
    features = keras.Input((vocoder.FRAMES, vocoder.FEATURES), name="features")
    digit, voice, about = condition(32)
    x = layers.Conv1D(CHANNELS, 5, strides=2, padding="same", activation="gelu")(features)
    x = residual(x, about)
    x = layers.Conv1D(CHANNELS, 5, strides=2, padding="same", activation="gelu")(x)
    x = residual(x, about)
    x = layers.Conv1D(48, 3, strides=2, padding="same", activation="gelu")(x)
    x = layers.Concatenate()([layers.Flatten()(x), about])
    x = layers.Dense(2 * LATENT)(layers.Dense(128, activation="gelu")(x))
    return keras.Model([features, digit, voice], x)


def build_decoder():
    """z [N, LATENT] and labels to normalised features, [N, FRAMES, FEATURES]."""
    z = keras.Input((LATENT,), name="z")
    digit, voice, about = condition(48)
    about = layers.Concatenate()([z, about])
    about = layers.Dense(96, activation="gelu")(about)
    x = layers.Reshape((START, 32))(layers.Dense(START * 32)(about))
    x = layers.Conv1D(CHANNELS, 3, padding="same")(x)
    x = residual(residual(x, about), about)
    x = residual(layers.UpSampling1D(2)(x), about)
    x = residual(layers.UpSampling1D(2)(x), about)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model([z, digit, voice], layers.Conv1D(vocoder.FEATURES, 5, padding="same")(x))


class Trainer:
    """Encoder, decoder and the steps that fit them."""

    def __init__(self, minutes):
        self.minutes = minutes
        self.encoder = build_encoder()
        self.decoder = build_decoder()
        self.rate = tf.Variable(0.0, trainable=False)
        self.optimizer = keras.optimizers.Adam(learning_rate=0.0, beta_2=0.99)
        self.variables = (self.encoder.trainable_variables + self.decoder.trainable_variables)
        self.optimizer.build(self.variables)

    @tf.function(reduce_retracing=True)
    def step(self, features, weights, digit, voice, rate, divergence_weight):
        """One update; returns the weighted squared error and the divergence, both per example."""
        with tf.GradientTape() as tape:
            mean, log_variance = tf.split(self.encoder([features, digit, voice]), 2, axis=1)
            log_variance = tf.clip_by_value(log_variance, -12.0, 4.0)
            z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
            error = weights * tf.square(self.decoder([z, digit, voice]) - features)
            error = tf.reduce_mean(tf.reduce_sum(error, [1, 2]))
            divergence = 0.5 * tf.reduce_mean(tf.reduce_sum(
                tf.square(mean) + tf.exp(log_variance) - log_variance - 1, 1))
            loss = error / (2 * SPREAD ** 2) + divergence_weight * divergence
        gradients = tape.gradient(loss, self.variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 2000.0)
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply_gradients(zip(gradients, self.variables))
        return error, divergence

    def fit(self, features, weights, digits, voices):
        """Trains until LAST_STEP or until the minutes are over."""
        rng = np.random.default_rng(SEED + 1)
        began = time.monotonic()
        done, last_print = 0.0, 0
        step = 0
        while done < 1.0:
            done = max(step / LAST_STEP, (time.monotonic() - began) / (60 * self.minutes))
            rate = 1.5e-3 * min(1, step / 100) * (0.02 + 0.98 * max(0, 1 - done) ** 1.5)
            chosen = rng.integers(0, len(features), BATCH)
            batch, weight = jitter(rng, features[chosen], weights[chosen])
            error, divergence = self.step(
                tf.constant(batch), tf.constant(weight), tf.constant(digits[chosen]),
                tf.constant(voices[chosen]), tf.constant(rate, tf.float32),
                tf.constant(min(1.0, 0.05 + step / 800), tf.float32))
            step += 1
            if step - last_print >= 100:
                last_print = step
                print(f"step {step} error {float(error):.1f} divergence {float(divergence):.1f} "
                      f"seconds {time.monotonic() - began:.0f}", flush=True)


def jitter(rng, features, weights):
    """Each example moved by up to 3 frames; returns new float32 arrays."""
    moved, moved_weights = np.empty_like(features), np.empty_like(weights)
    for i, by in enumerate(rng.integers(-3, 4, len(features))):
        at = np.clip(np.arange(vocoder.FRAMES) - by, 0, vocoder.FRAMES - 1)
        moved[i], moved_weights[i] = features[i, at], weights[i, at]
    return moved, moved_weights


def export(decoder, scale, path):
    """Writes the SavedModel with one signature, serving_default."""
    archive = keras.export.ExportArchive()
    archive.track(decoder)

    def serve(z, digit, voice):
        features = scale.restore(decoder([z, digit, voice], training=False))
        return {"audio": tf.clip_by_value(vocoder.synthesise(features), -1.0, 1.0)}

    archive.add_endpoint("serving_default", serve, input_signature=[
        tf.TensorSpec((None, LATENT), tf.float32, name="z"),
        tf.TensorSpec((None,), tf.int64, name="digit"),
        tf.TensorSpec((None,), tf.int64, name="voice")])
    shutil.rmtree(path, ignore_errors=True)
    archive.write_out(str(path), verbose=False)


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=here / "package" / "model")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    features, digits, voices = dataset()  # forks, so before TensorFlow starts its threads
    print(f"{len(features)} recordings", flush=True)
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(SEED)
    scale = Scale(features)
    trainer = Trainer(arguments.minutes)
    print(f"{trainer.decoder.count_params()} parameters in the decoder", flush=True)
    trainer.fit(scale.normalise(features).astype(np.float32), importance(features), digits, voices)
    export(trainer.decoder, scale, arguments.out)


if __name__ == "__main__":
    main()
