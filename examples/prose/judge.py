# SPDX-License-Identifier: Apache-2.0
"""Judges the prose package: is it better than a table of counts, and does it write or copy?

    judge.py --work DIR [--bytes N] [--samples N] [--show N]

Prints the bits per byte of held-out text of the package's model and of the better interpolated
6-gram model of the same training text, and which share of the runs of eight words in generated
text stands in the training text. Exits with 1 when the package is under the bar: bits not below
the 6-gram model's, a share of 20 % and more, or a row whose result depends on other rows.

The package itself is judged: `model.pt` and `tokenizer.json`, called as a server calls them.
"""

import argparse
import math
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

import corpus
from model import Config, Prose

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import ngram  # noqa: E402

PACKAGE = Path(__file__).parent / "package"
MOST_OVERLAP = 0.20
CONTEXT, CHUNK, SLOTS = 512, 32, 8
REPEATED = 256
CACHE = (SLOTS, 4, 2, CONTEXT + CHUNK, 64)
BEGIN, END = 0, 1


class Package:
    """The exported model with its tokenizer; eight sequences advance together."""

    def __init__(self, folder=PACKAGE):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.model = torch.jit.load(str(folder / "model.pt")).eval()
        self.network = Prose(Config())
        stored = {name: value.float() for name, value in self.model.named_buffers()}
        self.network.embedding.data = stored["embedding"]
        for i, layer in enumerate(self.network.layers):
            for name, weight in layer.named_parameters():
                weight.data = stored[name][i]

    def step(self, tokens, positions, lengths, caches):
        """One call; tokens [8, T], positions and lengths [8]; gives logits [8, V] and caches."""
        logits, *caches = self.model(tokens, positions, lengths, *caches)
        return logits, caches

    def nats(self, documents):
        """What the held-out `documents` cost in all, each from the begin token on.

        A document longer than the context goes on in a new window that begins with the last 256
        tokens of the one before, so that every token is judged after 256 others or more. Whole
        windows are given to the training network with the package's weights, which is many times
        faster than token by token; `served_as_trained` makes sure that it is the same function.
        """
        total = 0.0
        for document in documents:
            ids = [BEGIN, *self.tokenizer.encode(document.decode()).ids]
            total += self._window_nats(ids[:CONTEXT], 1)
            for start in range(CONTEXT - REPEATED, len(ids) - REPEATED, CONTEXT - REPEATED):
                total += self._window_nats(ids[start:start + CONTEXT], REPEATED)
        return total

    def _window_nats(self, ids, first):
        """The cost of the tokens from place `first` on."""
        tokens = torch.tensor([ids])
        logits = self.network(tokens[:, :-1])[0, first - 1:].double()
        chosen = torch.log_softmax(logits, -1).gather(1, tokens[0, first:, None])
        return -float(chosen.sum())

    def served_as_trained(self, document):
        """The largest difference in logits between the package and the training network."""
        ids = torch.tensor([[BEGIN, *self.tokenizer.encode(document.decode()).ids][:CONTEXT]])
        trained = self.network(ids)[0]
        caches = [torch.zeros(CACHE), torch.zeros(CACHE)]
        worst = 0.0
        for start in range(0, ids.numel(), CHUNK):
            part = ids[0, start:start + CHUNK]
            tokens = torch.zeros(SLOTS, CHUNK, dtype=torch.int64)
            tokens[:, :part.numel()] = part
            logits, caches = self.step(tokens, torch.full((SLOTS,), start),
                                       torch.full((SLOTS,), part.numel()), caches)
            there = trained[start + part.numel() - 1]
            worst = max(worst, float((logits[0] - there).abs().max()))
        return worst

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

    def rows_are_independent(self):
        """Whether a row's logits, to the bit, and an idle row's cache are free of other rows."""
        random = torch.Generator().manual_seed(7)
        vocabulary = self.tokenizer.get_vocab_size()
        text = torch.randint(vocabulary, (45,), generator=random)

        def logits(slot, busy):
            start = torch.randn(CACHE, generator=random) * busy
            caches = [start, start.clone()]
            found, place = [], 0
            for length, steps in [(CHUNK, CHUNK), (5, CHUNK)] + [(1, 1)] * 8:
                tokens = torch.randint(vocabulary, (SLOTS, steps), generator=random) * busy
                lengths = torch.randint(steps + 1, (SLOTS,), generator=random) * busy
                positions = torch.randint(CONTEXT - CHUNK, (SLOTS,), generator=random) * busy
                tokens[slot, :length] = text[place:place + length]
                lengths[slot], positions[slot] = length, place
                before = [c.clone() for c in caches]
                row, caches = self.step(tokens, positions, lengths, caches)
                idle = lengths == 0
                if not all(torch.equal(b[idle], c[idle]) for b, c in zip(before, caches)):
                    return None
                found.append(row[slot].clone())
                place += length
            return torch.stack(found)

        alone = logits(0, 0)
        others = [logits(slot, busy) for slot in (0, 3, SLOTS - 1) for busy in (0, 1)]
        return alone is not None and all(o is not None and torch.equal(alone, o) for o in others)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="where train.py keeps its data")
    parser.add_argument("--bytes", type=int, default=150_000, help="how much held-out text")
    parser.add_argument("--samples", type=int, default=32, help="how many texts are generated")
    parser.add_argument("--show", type=int, default=3, help="how many of them are printed")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    training = corpus.load(options.work / "train.txt")
    held_out, size = [], 0
    every = corpus.load(options.work / "held_out.txt")
    stride = max(sum(map(len, every)) // options.bytes, 1)
    for document in every[::stride]:
        held_out.append(document)
        size += len(document)

    package = Package()
    torch.set_num_threads(options.threads)
    figures = {}

    def note(name, value):
        figures[name] = value
        print(f"{name}: {value:.5f}" if isinstance(value, float) else f"{name}: {value}",
              flush=True)

    note("training bytes", sum(map(len, training)))
    note("held-out bytes", size)
    with torch.inference_mode():
        note("package and training network differ by", package.served_as_trained(held_out[0]))
        note("rows are independent", package.rows_are_independent())
        texts = []
        for batch in range(0, options.samples, SLOTS):
            texts += package.write([""] * SLOTS, 240, seed=batch)
        note("model, bits per byte", package.nats(held_out) / math.log(2) / size)
    tables = []
    for smoothing in (ngram.KNESER_NEY, ngram.WITTEN_BELL):
        table = ngram.CharacterModel(6, smoothing).fit(training)
        tables.append(table.bits_per_byte(held_out))
        note(f"6-gram with {smoothing}, bits per byte", tables[-1])
    overlap = ngram.Overlap(training)
    note("copied runs of 8 words", overlap.share([t.encode() for t in texts]))
    note("the same of held-out text", overlap.share(held_out))
    for text in texts[:options.show]:
        print(f"--- a sample\n{text}\n")

    good = (figures["rows are independent"]
            and figures["package and training network differ by"] < 0.001
            and figures["model, bits per byte"] < min(tables)
            and figures["copied runs of 8 words"] < MOST_OVERLAP)
    print("passes" if good else "is under the bar")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
