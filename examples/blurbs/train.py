# SPDX-License-Identifier: Apache-2.0
"""Trains the blurbs transformer from nothing; writes blurbs.h5 and the package's files.

    train.py [--minutes M] [--threads 2]

Trained in bfloat16 arithmetic with float32 weights, exported in float32. The model is made of
Keras's own layers alone, so that `keras.models.load_model("blurbs.h5", compile=False)` needs
nothing else.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import corpus

HERE = Path(__file__).resolve().parent

SEED = 20261
VOCABULARY = 2048
CONTEXT = 64
WIDTH = 192
DEPTH = 3
HEADS = 6
BATCH_TOKENS = 1536
LAST_STEP = 4500  # where the learning rate ends, unless the minutes end first
PEAK_RATE = 3e-3  # of Adam; where training goes on from a model, a third is enough
BEGIN, END = "<|begin|>", "<|end|>"


def train_tokenizer(texts):
    """A byte-level BPE tokenizer; "section: " is cut off first, so that it is a whole prompt."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex("^[a-z0-9-]+: "), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[BEGIN, END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def position_increments():
    """Conv1D kernel [CONTEXT, 1, WIDTH] whose causal sums over ones are sinusoids of position."""
    position = np.arange(CONTEXT)[:, None]
    angle = position / 200 ** (np.arange(WIDTH // 2) / (WIDTH // 2))
    sinusoids = 0.05 * np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    return np.diff(sinusoids, axis=0, prepend=0)[::-1, None, :]


def build(policy):
    """The model, tokens [N, T] int32 -> logits [N, T, VOCABULARY], in a dtype policy.

    Positions come from standard layers: every token is embedded as 1, and a causal convolution
    over the whole context sums the increments of the position's vector up to where it stands.
    Returns the model and its trunk (tokens -> normalised hidden states).
    """
    keras.config.set_dtype_policy(policy)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    words = layers.ReversibleEmbedding(VOCABULARY, WIDTH, name="words")
    one = layers.Embedding(VOCABULARY, 1, embeddings_initializer="ones", trainable=False,
                           name="one")(tokens)
    places = layers.Conv1D(WIDTH, CONTEXT, padding="causal", use_bias=False, name="places")
    x = layers.Add(name="enter")([words(tokens), places(one)])
    for i in range(DEPTH):
        y = layers.LayerNormalization(epsilon=1e-5, name=f"attention_norm_{i}")(x)
        y = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"attention_{i}")(
            y, y, use_causal_mask=True)
        x = layers.Add(name=f"attention_add_{i}")([x, y])
        y = layers.LayerNormalization(epsilon=1e-5, name=f"feed_norm_{i}")(x)
        y = layers.Dense(4 * WIDTH, activation="relu", name=f"feed_in_{i}")(y)
        y = layers.Dense(WIDTH, name=f"feed_out_{i}")(y)
        x = layers.Add(name=f"feed_add_{i}")([x, y])
    x = layers.LayerNormalization(epsilon=1e-5, name="leave_norm")(x)
    model = keras.Model(tokens, words(x, reverse=True), name="blurbs")
    trunk = keras.Model(tokens, x, name="trunk")
    keras.config.set_dtype_policy("float32")
    places.set_weights([position_increments()])
    for layer in model.layers:  # a residual branch starts small
        if layer.name.startswith("feed_out"):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel / np.sqrt(2 * DEPTH), bias])
    return model, trunk


class Batches:
    """Batches of texts of the same length, about BATCH_TOKENS tokens each, for ever."""

    def __init__(self, rng, encoded):
        """encoded: lists of token ids, begin and end included, at most CONTEXT + 1 long."""
        self._rng = rng
        self._texts = sorted((np.array(e, np.int32) for e in encoded), key=len)

    def epoch(self):
        """Every text once: yields arrays [N, T + 1], padded with -1, in random order."""
        # Texts of one length are shuffled; batches are cut along the lengths.
        order = np.lexsort((self._rng.random(len(self._texts)), [len(t) for t in self._texts]))
        batches, start = [], 0
        while start < len(order):
            count = max(1, BATCH_TOKENS // len(self._texts[order[start]]))
            batches.append(order[start:start + count])
            start += count
        for i in self._rng.permutation(len(batches)):
            rows = [self._texts[j] for j in batches[i]]
            padded = np.full((len(rows), max(map(len, rows))), -1, np.int32)
            for row, text in zip(padded, rows):
                row[:len(text)] = text
            yield padded


class Trainer:
    """The model in mixed precision and its steps; Adam as one fused operation a variable."""

    def __init__(self):
        self.model, self._trunk = build("mixed_bfloat16")
        self._words = self.model.get_layer("words").embeddings
        self._weights = [v.value for v in self.model.trainable_variables]
        self._moments = [(tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w)))
                         for w in self._weights]
        self._powers = tf.Variable([1.0, 1.0])

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32),
                                  tf.TensorSpec((), tf.float32)])
    def step(self, rows, rate):
        """One update on `rows` [N, T + 1], padded with -1; returns the loss in nats a token."""
        with tf.GradientTape() as tape:
            loss = self._loss(rows)
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, self._weights)]
        gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
        self._powers.assign(self._powers * [0.9, 0.98])
        for weight, gradient, (first, second) in zip(self._weights, gradients, self._moments):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=first.handle, v=second.handle, beta1_power=self._powers[0],
                beta2_power=self._powers[1], lr=rate, beta1=0.9, beta2=0.98, epsilon=1e-8,
                grad=gradient)
        return loss

    def _loss(self, rows):
        # The head sees the counted positions alone: padding costs nothing there.
        counted = tf.where(rows[:, 1:] >= 0)
        hidden = tf.gather_nd(self._trunk(tf.maximum(rows[:, :-1], 0), training=True), counted)
        logits = tf.matmul(hidden, tf.cast(self._words, hidden.dtype), transpose_b=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.gather_nd(rows[:, 1:], counted), tf.cast(logits, tf.float32)))

    def fit(self, batches, minutes, peak_rate, checkpoint):
        """Trains to LAST_STEP, or for so many minutes; `checkpoint(model)` now and then."""
        began, saved, step, mean = time.monotonic(), time.monotonic(), 0, None
        while True:
            for rows in batches.epoch():
                done = step / LAST_STEP
                if minutes:
                    done = max(done, (time.monotonic() - began) / (60 * minutes))
                if done >= 1:
                    return
                rate = peak_rate * min(1, (step + 1) / 150) * (0.03 + 0.97 * (1 - done))
                loss = float(self.step(tf.constant(rows), tf.constant(rate, tf.float32)))
                mean = loss if mean is None else mean + 0.03 * (loss - mean)
                step += 1
                if step % 50 == 0:
                    print(f"step {step} loss {mean:.3f} rate {rate:.5f} "
                          f"seconds {time.monotonic() - began:.0f}", flush=True)
                if time.monotonic() - saved > 240:
                    saved = time.monotonic()
                    checkpoint(self.model)


def export_saved_model(path_h5, directory):
    """The SavedModel of a saved Keras model, with one signature: tokens -> output_0.

    `load_model(...).export(directory)` gives the same but holds the weights twice (Keras 3.15).
    """
    model = keras.models.load_model(path_h5, compile=False)
    module = tf.Module()
    module.weights = [v.value for v in model.variables]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32, name="tokens")])
    def serve(tokens):
        return {"output_0": model(tokens, training=False)}

    shutil.rmtree(directory, ignore_errors=True)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": serve})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE, help="where blurbs.h5 and package/ go")
    parser.add_argument("--minutes", type=float, help="end early after so many")
    parser.add_argument("--start", type=Path, help="a blurbs.h5 to go on from")
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="the highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    package = arguments.out / "package"
    package.mkdir(parents=True, exist_ok=True)
    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(SEED)

    training, _ = corpus.documents()
    tokenizer = train_tokenizer(training)
    tokenizer.save(str(package / "tokenizer.json"))
    begin, end = tokenizer.token_to_id(BEGIN), tokenizer.token_to_id(END)
    encoded = [[begin, *e.ids, end][:CONTEXT + 1] for e in tokenizer.encode_batch(training)]
    print(json.dumps({"texts": len(training), "bytes": sum(len(t.encode()) for t in training),
                      "tokens": sum(map(len, encoded))}), flush=True)

    plain, _ = build("float32")
    print(f"{plain.count_params()} parameters", flush=True)

    def write(model):
        plain.set_weights(model.get_weights())
        plain.save(arguments.out / "blurbs.h5", include_optimizer=False)

    trainer = Trainer()
    if arguments.start:
        trainer.model.set_weights(
            keras.models.load_model(arguments.start, compile=False).get_weights())
    trainer.fit(Batches(np.random.default_rng(SEED), encoded), arguments.minutes, arguments.rate,
                write)
    write(trainer.model)
    export_saved_model(arguments.out / "blurbs.h5", package / "model")


if __name__ == "__main__":
    main()
