# SPDX-License-Identifier: Apache-2.0
"""What the text examples are judged by: a character n-gram model, and how much is copied.

`CharacterModel` is an interpolated n-gram model over bytes (for English text, characters), with
modified Kneser-Ney or Witten-Bell smoothing. It is the honest baseline: a text model that cannot
beat it has learnt less than a table of counts. `best_baseline` fits both and takes the better.

`Overlap` holds every run of eight words of the training text and says which share of a text's own
runs is among them: how much of an answer is copied rather than written.

Both take documents as a list of `bytes` without NUL bytes. Memory is bounded by the number of
different n-grams, not by the length of the text: counts are made in blocks and merged.
"""

import hashlib
import re
from dataclasses import dataclass

import numpy as np

ALPHABET = 256
BLOCK = 1 << 23  # positions counted at once: 64 MiB of keys

KNESER_NEY = "kneser-ney"
WITTEN_BELL = "witten-bell"


def _merge(keys, counts, more_keys, more_counts):
    """The union of two sorted tables of counts; counts of common keys are added."""
    if keys.size == 0:
        return more_keys, more_counts
    both = np.concatenate([keys, more_keys])
    order = np.argsort(both, kind="stable")
    both = both[order]
    added = np.concatenate([counts, more_counts])[order]
    starts = np.flatnonzero(np.concatenate([[True], both[1:] != both[:-1]]))
    return both[starts], np.add.reduceat(added, starts)


def _lookup(table, keys):
    """Places of `keys` in the sorted `table`, and whether each is really there."""
    places = np.minimum(np.searchsorted(table, keys), table.size - 1)
    return places, table[places] == keys


@dataclass
class _Order:
    """Counts of one n-gram length, and what each context needs for its probabilities.

    An n-gram is a uint64 whose lowest byte is the predicted one; its context is the key >> 8.
    """

    keys: np.ndarray  # [n-grams] uint64, sorted
    counts: np.ndarray  # [n-grams] float64
    contexts: np.ndarray  # [contexts] uint64, sorted
    totals: np.ndarray  # [contexts] float64: the sum of a context's counts
    distinct: np.ndarray  # [contexts, 3]: how many of its n-grams have count 1, 2, 3 and more
    discounts: np.ndarray  # [4]: what Kneser-Ney takes from a count of 0, 1, 2, 3 and more

    @staticmethod
    def of(keys, counts):
        counts = counts.astype(np.float64)
        contexts = keys >> np.uint64(8)
        starts = np.flatnonzero(np.concatenate([[True], contexts[1:] != contexts[:-1]]))
        kinds = [counts == 1, counts == 2, counts >= 3]
        distinct = np.stack([np.add.reduceat(k.astype(np.float64), starts) for k in kinds], 1)
        return _Order(keys, counts, contexts[starts], np.add.reduceat(counts, starts), distinct,
                      _discounts(counts))


def _discounts(counts):
    """Chen and Goodman's three discounts of modified Kneser-Ney, from the counts of counts."""
    n1, n2, n3, n4 = (max(int(np.count_nonzero(counts == c)), 1) for c in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    found = [0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.clip(np.array(found), 0.0, [0.0, 0.99, 1.99, 2.99])


class CharacterModel:
    """An interpolated n-gram model over bytes.

    `order` is the length of the n-grams, at most 8: order 6 predicts a byte from the five before
    it. The first bytes of a document are predicted from a padding of NUL bytes.
    """

    def __init__(self, order=6, smoothing=KNESER_NEY):
        if not 1 <= order <= 8:
            raise ValueError(f"an order of 1 to 8 fits into a 64-bit key, not {order}")
        self.order = order
        self.smoothing = smoothing
        self._orders = []  # [0] is length 1, [order - 1] is the longest

    def fit(self, documents):
        """Counts `documents`; returns self."""
        keys, counts = self._count(documents)
        raw = [(keys, counts)]
        kneser_ney = []
        for length in range(self.order - 1, 0, -1):
            # Raw counts of shorter n-grams are sums over the first byte. Kneser-Ney wants, except
            # for the longest, in how many different ways an n-gram can be preceded.
            mask = np.uint64((1 << 8 * length) - 1)
            longer_keys, longer_counts = raw[-1]
            short = longer_keys & mask
            order = np.argsort(short, kind="stable")
            short = short[order]
            starts = np.flatnonzero(np.concatenate([[True], short[1:] != short[:-1]]))
            raw.append((short[starts], np.add.reduceat(longer_counts[order], starts)))
            kneser_ney.append((short[starts], np.diff(np.append(starts, short.size))))
        chosen = raw if self.smoothing == WITTEN_BELL else [raw[0]] + kneser_ney
        self._orders = [_Order.of(k, c) for k, c in reversed(chosen)]
        return self

    def bits(self, document):
        """How many bits each byte of one document costs: float64 [bytes]."""
        keys = self._keys(document)
        probability = np.full(keys.size, 1.0 / ALPHABET)
        for length, order in enumerate(self._orders, start=1):
            key = keys & np.uint64((1 << 8 * length) - 1)
            probability = self._interpolate(order, key, probability)
        return -np.log2(probability)

    def bits_per_byte(self, documents):
        """The mean cost of a byte over all `documents`."""
        total = sum(float(self.bits(d).sum()) for d in documents if d)
        return total / sum(len(d) for d in documents)

    def _interpolate(self, order, key, shorter):
        """Probabilities of `key` [positions], given those of the n-grams that are one shorter."""
        place, known = _lookup(order.keys, key)
        count = np.where(known, order.counts[place], 0.0)
        context, seen = _lookup(order.contexts, key >> np.uint64(8))
        total = order.totals[context]
        distinct = order.distinct[context]
        if self.smoothing == WITTEN_BELL:
            kinds = distinct.sum(1)
            mixed = (count + kinds * shorter) / (total + kinds)
        else:
            discount = order.discounts[np.minimum(count, 3).astype(np.int64)]
            spare = distinct @ order.discounts[1:]
            mixed = (count - discount + spare * shorter) / total
        return np.where(seen, mixed, shorter)

    def _keys(self, document):
        """The n-gram that ends at each byte of `document`: uint64 [bytes]."""
        padded = np.frombuffer(bytes(self.order - 1) + bytes(document), dtype=np.uint8)
        length = padded.size - self.order + 1
        keys = np.zeros(length, dtype=np.uint64)
        for i in range(self.order):
            keys = (keys << np.uint64(8)) | padded[i:i + length]
        return keys

    def _count(self, documents):
        """All n-grams of the longest length, sorted, and how often each occurs."""
        keys = np.empty(0, dtype=np.uint64)
        counts = np.empty(0, dtype=np.int64)
        waiting, size = [], 0
        for document in documents:
            for start in range(0, len(document), BLOCK):
                context = max(start - self.order + 1, 0)
                waiting.append(self._keys(document[context:start + BLOCK])[start - context:])
                size += waiting[-1].size
                if size >= BLOCK:
                    block = np.unique(np.concatenate(waiting), return_counts=True)
                    keys, counts = _merge(keys, counts, *block)
                    waiting, size = [], 0
        if waiting:
            block = np.unique(np.concatenate(waiting), return_counts=True)
            keys, counts = _merge(keys, counts, *block)
        if keys.size == 0:
            raise ValueError("there is no text to count")
        return keys, counts


def best_baseline(training, held_out, order=6):
    """The lower bits per byte of the two smoothings, and the name of the one that gave it."""
    found = [(CharacterModel(order, s).fit(training).bits_per_byte(held_out), s)
             for s in (KNESER_NEY, WITTEN_BELL)]
    return min(found)


_WORD = re.compile(rb"[a-z0-9]+(?:'[a-z]+)?")
_MULTIPLIER = 0x9E3779B97F4A7C15


class Overlap:
    """Every run of `words` words of the training text, as 64-bit hashes.

    Case and punctuation do not count, so that a changed comma does not hide a copy.
    """

    def __init__(self, training, words=8):
        self.words = words
        self._ids = {}
        runs = np.empty(0, dtype=np.uint64)
        waiting, size = [], 0
        for document in training:
            waiting.append(self._runs(document))
            size += waiting[-1].size
            if size >= BLOCK:
                runs = np.unique(np.concatenate([runs, *waiting]))
                waiting, size = [], 0
        self._known = np.unique(np.concatenate([runs, *waiting]))

    def counts(self, document):
        """How many of a document's runs are in the training text, and how many it has."""
        runs = self._runs(document)
        if runs.size == 0 or self._known.size == 0:
            return 0, int(runs.size)
        return int(np.count_nonzero(_lookup(self._known, runs)[1])), int(runs.size)

    def share(self, documents):
        """The share, 0 to 1, of all the documents' runs that are in the training text."""
        found = [self.counts(d) for d in documents]
        return sum(hits for hits, _ in found) / max(sum(runs for _, runs in found), 1)

    def _runs(self, document):
        """The hash of each run of words in `document`: uint64 [runs]."""
        hashes = np.array([self._id(w) for w in _WORD.findall(document.lower())], dtype=np.uint64)
        length = hashes.size - self.words + 1
        if length <= 0:
            return np.empty(0, dtype=np.uint64)
        runs = np.zeros(length, dtype=np.uint64)
        for i in range(self.words):
            runs = runs * np.uint64(_MULTIPLIER) + hashes[i:i + length]
        return runs

    def _id(self, word):
        found = self._ids.get(word)
        if found is None:
            found = int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "big")
            self._ids[word] = found
        return found
