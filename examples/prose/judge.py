# SPDX-License-Identifier: Apache-2.0
"""Judges the prose package: is it better than a table of counts, and does it write or copy?

    judge.py --work DIR [--bytes N] [--samples N] [--show N]

Prints the bits per byte of held-out text of the package's model and of the better interpolated
6-gram model of the same training text, and which share of the runs of eight words in generated
text stands in the training text. Exits with 1 when the package is under the bar: bits not below
the 6-gram model's, or a share of 20 % and more.

The package itself is judged: `model.pt` and `tokenizer.json`, called as a server calls them.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

import corpus

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import ngram  # noqa: E402

PACKAGE = Path(__file__).parent / "package"
MOST_OVERLAP = 0.20
CONTEXT, CHUNK, SLOTS = 512, 32, 8
CACHE = (SLOTS, 4, 2, CONTEXT + CHUNK, 64)
BEGIN, END = 0, 1


class Package:
    """The exported model with its tokenizer; eight sequences advance together."""

    def __init__(self, folder=PACKAGE):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = torch.jit.load(str(folder / "model.pt")).eval()

    def step(self, tokens, positions, lengths, caches):
        """One call; tokens [8, T], positions and lengths [8]; gives logits [8, V] and caches."""
        logits, *caches = self.model(tokens, positions, lengths, *caches)
        return logits, caches

    def nats(self, documents):
        """What the held-out `documents` cost in all, each from the begin token on.

        A document longer than the context goes on in a new window whose first half repeats the end
        of the one before, so that a token is judged after 256 others or more.
        """
        half = CONTEXT // 2
        windows = []  # pairs: tokens, and from which place on they are judged
        for document in documents:
            ids = [BEGIN, *self.tokenizer.encode(document.decode()).ids]
            windows.append((ids[:CONTEXT], 1))
            for start in range(half, len(ids) - half, half):
                windows.append((ids[start:start + CONTEXT], half))
        total = 0.0
        windows.sort(key=lambda w: len(w[0]))
        for i in range(0, len(windows), SLOTS):
            total += self._window_nats(windows[i:i + SLOTS])
        return total

    def _window_nats(self, windows):
        """One token at a time, as answers are written; all eight slots in step."""
        caches = [torch.zeros(CACHE), torch.zeros(CACHE)]
        longest = max(len(ids) for ids, _ in windows)
        rows = torch.zeros(SLOTS, longest, dtype=torch.int64)
        judged = torch.zeros(SLOTS, longest, dtype=torch.bool)
        for slot, (ids, first) in enumerate(windows):
            rows[slot, :len(ids)] = torch.tensor(ids)
            judged[slot, first:len(ids)] = True
        total = 0.0
        lengths = torch.ones(SLOTS, dtype=torch.int64)
        for place in range(longest - 1):
            positions = torch.full((SLOTS,), place, dtype=torch.int64)
            logits, caches = self.step(rows[:, place:place + 1], positions, lengths, caches)
            chosen = torch.log_softmax(logits, -1).gather(1, rows[:, place + 1:place + 2])[:, 0]
            total -= float(chosen[judged[:, place + 1]].double().sum())
        return total

    def write(self, prompts, tokens, temperature=0.8, top_p=0.95, seed=1):
        """Continues up to eight prompts; gives the answers without their prompts."""
        random = torch.Generator().manual_seed(seed)
        caches = [torch.zeros(CACHE), torch.zeros(CACHE)]
        ids = [[BEGIN, *self.tokenizer.encode(p).ids] for p in prompts]
        ids += [[BEGIN]] * (SLOTS - len(ids))
        answers = [[] for _ in ids]
        logits = torch.zeros(SLOTS, self.tokenizer.get_vocab_size())
        for start in range(0, max(map(len, ids)), CHUNK):
            chunk = torch.zeros(SLOTS, CHUNK, dtype=torch.int64)
            lengths = torch.zeros(SLOTS, dtype=torch.int64)
            for slot, row in enumerate(ids):
                part = row[start:start + CHUNK]
                lengths[slot] = len(part)
                chunk[slot, :len(part)] = torch.tensor(part, dtype=torch.int64)
            positions = torch.full((SLOTS,), start, dtype=torch.int64)
            read, caches = self.step(chunk, positions, lengths, caches)
            logits = torch.where(lengths.unsqueeze(1) > 0, read, logits)
        positions = torch.tensor([len(row) for row in ids])
        alive = torch.ones(SLOTS, dtype=torch.int64)
        for _ in range(min(tokens, CONTEXT - int(positions.max()))):
            share, order = torch.softmax(logits / temperature, -1).sort(-1, descending=True)
            share[share.cumsum(-1) - share > top_p] = 0
            chosen = order.gather(1, torch.multinomial(share, 1, generator=random))
            for slot in range(SLOTS):
                if alive[slot] and chosen[slot, 0] == END:
                    alive[slot] = 0
                elif alive[slot]:
                    answers[slot].append(int(chosen[slot, 0]))
            logits, caches = self.step(chosen, positions, alive, caches)
            positions = positions + alive
        return [self.tokenizer.decode(a) for a in answers[:len(prompts)]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="where train.py keeps its data")
    parser.add_argument("--bytes", type=int, default=200_000, help="how much held-out text")
    parser.add_argument("--samples", type=int, default=32, help="how many texts are generated")
    parser.add_argument("--show", type=int, default=3, help="how many of them are printed")
    options = parser.parse_args()

    training = corpus.load(options.work / "train.txt")
    held_out, size = [], 0
    every = corpus.load(options.work / "held_out.txt")
    stride = max(sum(map(len, every)) // options.bytes, 1)
    for document in every[::stride]:
        held_out.append(document)
        size += len(document)

    package = Package()
    figures = {"training bytes": sum(map(len, training)), "held-out bytes": size}
    with torch.inference_mode():
        figures["model bits per byte"] = package.nats(held_out) / math.log(2) / size
        texts = []
        for batch in range(0, options.samples, SLOTS):
            texts += package.write([""] * SLOTS, 240, seed=batch)
    for text in texts[:options.show]:
        print(f"--- a sample\n{text}\n")
    for smoothing in (ngram.KNESER_NEY, ngram.WITTEN_BELL):
        table = ngram.CharacterModel(6, smoothing).fit(training)
        figures[f"6-gram {smoothing} bits per byte"] = table.bits_per_byte(held_out)
    overlap = ngram.Overlap(training)
    figures["share of 8-word runs copied"] = overlap.share([t.encode() for t in texts])
    figures["the same of held-out text"] = overlap.share(held_out)
    print(json.dumps(figures, indent=2))

    bar = min(figures[f"6-gram {s} bits per byte"] for s in (ngram.KNESER_NEY, ngram.WITTEN_BELL))
    good = (figures["model bits per byte"] < bar
            and figures["share of 8-word runs copied"] < MOST_OVERLAP)
    print("passes" if good else "is under the bar")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
