# SPDX-License-Identifier: Apache-2.0
"""Judges the blurbs package; exits with 1 when a figure is under the bar.

Bits per byte on held-out descriptions are compared with a character 6-gram model of the same
training text; both predict where a description ends (the end token, a newline) and count it as
one byte. Then descriptions are written and compared with the training text.

    judge.py [--package package]
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from tokenizers import Tokenizer

import corpus
import train

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import ngram  # noqa: E402
import sampling  # noqa: E402

ROWS = 32
WRITTEN = 320
TEMPERATURE = 0.8
MOST_COPIED = 0.20


class Package:
    """The exported model and its tokenizer."""

    def __init__(self, directory):
        self._module = tf.saved_model.load(str(directory / "model"))
        self._serve = self._module.signatures["serving_default"]
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.begin = self.tokenizer.token_to_id(train.BEGIN)
        self.end = self.tokenizer.token_to_id(train.END)

    def log_probabilities(self, tokens):
        """tokens [N, T] -> natural logs [N, T, vocabulary]."""
        logits = self._serve(tokens=tf.constant(tokens, tf.int32))["output_0"]
        return tf.nn.log_softmax(logits).numpy()

    def encode(self, text):
        return [self.begin, *self.tokenizer.encode(text).ids, self.end]

    def bits(self, texts):
        """What all texts and their ends cost together, in bits."""
        encoded = sorted((self.encode(t) for t in texts), key=len)
        total = 0.0
        for start in range(0, len(encoded), ROWS):
            rows = encoded[start:start + ROWS]
            tokens = np.zeros((len(rows), max(map(len, rows)) - 1), np.int32)
            for row, ids in zip(tokens, rows):
                row[:len(ids) - 1] = ids[:-1]
            found = self.log_probabilities(tokens)
            total -= sum(float(found[i, np.arange(len(ids) - 1), ids[1:]].sum())
                         for i, ids in enumerate(rows))
        return total / np.log(2)

    def write(self, seeds, prompt):
        """One text for each seed, prompt included, sampled at TEMPERATURE."""
        tokens = np.zeros((len(seeds), train.CONTEXT), np.int32)
        start = [self.begin, *self.tokenizer.encode(prompt).ids]
        tokens[:, :len(start)] = start
        lengths = np.full(len(seeds), train.CONTEXT)
        for at in range(len(start), train.CONTEXT):
            scores = self.log_probabilities(tokens[:, :at])[:, -1] / TEMPERATURE
            shares = np.cumsum(np.exp(scores - scores.max(axis=1, keepdims=True)), axis=1)
            for row, seed in enumerate(seeds):
                word = sampling.blocks(seed, sampling.TEXT_STREAM, at - len(start), 1)[0, :1]
                drawn = sampling.uniform_from_words(word)[0] * shares[row, -1]
                tokens[row, at] = min(np.searchsorted(shares[row], drawn, side="right"),
                                      shares.shape[1] - 1)
                if tokens[row, at] == self.end:
                    lengths[row] = min(lengths[row], at)
            if lengths.max() < train.CONTEXT:
                break
        return [self.tokenizer.decode(list(row[1:length])) for row, length in zip(tokens, lengths)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, default=HERE / "package")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(2)
    package = Package(arguments.package)

    training, held_out = corpus.documents()
    fitting = [t for t in held_out if len(package.encode(t)) <= train.CONTEXT + 1]
    baseline, smoothing = ngram.best_baseline([f"{t}\n".encode() for t in training],
                                              [f"{t}\n".encode() for t in fitting])
    size = sum(len(t.encode()) + 1 for t in fitting)

    written = [text for first in range(0, WRITTEN, ROWS)
               for text in package.write(range(first, first + ROWS), "")]
    known = set(training)
    overlap = ngram.Overlap([t.encode() for t in training])
    figures = {
        "bits_per_byte": package.bits(fitting) / size,
        "bits_per_byte_6_gram": baseline,
        "smoothing_6_gram": smoothing,
        "held_out": {"texts": len(fitting), "bytes": size, "too_long": len(held_out) - len(fitting)},
        "runs_of_8_words": sum(overlap.counts(t.encode())[1] for t in written),
        "copied_runs_of_8_words": overlap.share([t.encode() for t in written]),
        "texts_that_are_training_texts": sum(t in known for t in written) / WRITTEN,
        "distinct_texts": len(set(written)) / WRITTEN,
        "samples": written[:12] + package.write(range(4), "games: "),
    }
    print(json.dumps(figures, indent=2))
    passed = (figures["bits_per_byte"] < figures["bits_per_byte_6_gram"]
              and figures["copied_runs_of_8_words"] < MOST_COPIED)
    print("passed" if passed else "under the bar")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
