# SPDX-License-Identifier: Apache-2.0
"""Judges the exported package: would someone who knows other fonts read its glyphs?

A classifier is trained on held-out fonts only (JUDGE_PACKAGES). It is checked on real glyphs of the
generator's fonts, which it never saw, then reads 1,000 generated glyphs, one for each seed with a
character and style drawn from the seed. Exits non-zero when fewer than 95 % are read rightly or two
seeds give the same picture.
"""

import pathlib
import sys

import fonts
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import judging  # noqa: E402
import sampling  # noqa: E402

CHARACTER_PLACE, STYLE_PLACE = 1, 2  # of the inputs in model.yaml


class Reader(nn.Module):
    """Pictures [n, 1, 32, 32] in [-1, 1] -> logits of characters and styles, side by side."""

    def __init__(self):
        super().__init__()
        layers, width = [], 1
        for outputs in (32, 64, 128):
            layers += [nn.Conv2d(width, outputs, 3, padding=1, stride=2), nn.BatchNorm2d(outputs),
                       nn.ReLU()]
            width = outputs
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.3)
        self.leave = nn.Linear(width * 16, len(fonts.CHARACTERS) + len(fonts.STYLES))

    def forward(self, x):
        x = self.leave(self.drop(self.features(x).flatten(1)))
        return x.split([len(fonts.CHARACTERS), len(fonts.STYLES)], dim=1)


def as_input(pictures):
    """uint8 [n, 32, 32] -> float32 [n, 1, 32, 32] in [-1, 1]."""
    return torch.from_numpy(pictures).float().div(127.5).sub(1.0)[:, None]


def roughen(pictures):
    """Moves each picture by up to one pixel, softens half of them, adds a little noise."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    pictures = pictures.roll((down, right), dims=(2, 3))
    soft = F.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
    mix = torch.rand(len(pictures), 1, 1, 1) * (torch.rand(len(pictures), 1, 1, 1) < 0.5)
    pictures = pictures.lerp(soft, 0.6 * mix)
    return pictures + 0.08 * torch.rand(len(pictures), 1, 1, 1) * torch.randn_like(pictures)


def train_reader(steps, batch_size=128):
    """The classifier, trained on the held-out fonts; every style is equally frequent."""
    pictures, characters, styles = fonts.cached_pictures(
        HERE / "data-judge.npz", fonts.JUDGE_PACKAGES, variants=3, stretch=0.12, shift=1.0, seed=2
    )
    weight = (1.0 / np.bincount(styles, minlength=len(fonts.STYLES)))[styles]
    random = np.random.default_rng(3)
    order = random.choice(len(styles), (steps, batch_size), p=weight / weight.sum())

    def draw(step):
        rows = order[step]
        return (roughen(as_input(pictures[rows])), torch.from_numpy(characters[rows]),
                torch.from_numpy(styles[rows]))

    return judging.train_classifier(Reader(), draw, steps, decay=0.02, second=0.3)


def drawn_requests(package, seeds):
    """One request a seed, with character and style drawn from it; `any` is left out."""
    characters, styles = package.labels("character")[:-1], package.labels("style")
    return [{"seed": seed,
             "character": characters[sampling.draw_label(seed, CHARACTER_PLACE, len(characters))],
             "style": styles[sampling.draw_label(seed, STYLE_PLACE, len(styles))]}
            for seed in seeds]


def generate(package, requests, **settings):
    """Pictures of the requests, as they would be sent: uint8 [n, 32, 32]."""
    pictures = []
    for first in range(0, len(requests), 50):
        part = [{**request, **settings} for request in requests[first:first + 50]]
        state = package.generate(part)["state"][:, 0]
        pictures.append(np.clip((state + 1.0) * 127.5 + 0.5, 0, 255).astype(np.uint8))
    return np.concatenate(pictures)


def write_sheet(package, path):
    """A contact sheet: every style in a row pair, every character once."""
    characters, styles = package.labels("character")[:-1], package.labels("style")
    requests = [{"seed": 5000 + 36 * row + column, "character": character, "style": style}
                for row, style in enumerate(styles) for column, character in enumerate(characters)]
    fonts.contact_sheet(generate(package, requests), len(characters)).save(path, optimize=True)


def main():
    options = judging.options(__doc__, HERE / "package", steps=600)
    package = sampling.Package(options.package)
    if options.sheet:
        write_sheet(package, options.sheet)
    reader = train_reader(options.steps)

    real, real_characters, real_styles = fonts.cached_pictures(
        HERE / "data-generator.npz", fonts.GENERATOR_PACKAGES, variants=3, stretch=0.08, shift=0.5,
        seed=1,
    )
    sample = np.random.default_rng(5).choice(len(real), 5000, replace=False)
    seen, seen_style = judging.classify(reader, as_input(real[sample]))
    print(f"real glyphs of fonts the judge never saw: {(seen == real_characters[sample]).mean():.2%}"
          f" read, style {(seen_style == real_styles[sample]).mean():.2%}")

    requests = drawn_requests(package, range(judging.SEEDS))
    pictures = generate(package, requests)
    wanted = np.array([fonts.CHARACTERS.index(r["character"]) for r in requests])
    wanted_style = np.array([fonts.STYLES.index(r["style"]) for r in requests])
    seen, seen_style = judging.classify(reader, as_input(pictures))
    accuracy, distinct = (seen == wanted).mean(), judging.distinct(pictures)
    closest = judging.smallest_difference(pictures, wanted * len(fonts.STYLES) + wanted_style)
    print(f"generated glyphs: {accuracy:.2%} read, style {(seen_style == wanted_style).mean():.2%},"
          f" {distinct} of {len(pictures)} distinct")
    print(f"closest two of one character and style differ by {closest:.1f} of 255 on average")
    wrong = [(fonts.CHARACTERS[w], fonts.CHARACTERS[s]) for w, s in zip(wanted, seen) if w != s]
    print("misread:", " ".join(f"{w}->{s}" for w, s in sorted(wrong)))
    picture = judging.milliseconds(lambda: package.generate([{"seed": 1}]))
    print(f"one picture alone: {picture:.0f} ms of one core")
    passed = accuracy >= judging.BAR and distinct == judging.SEEDS
    print("passed" if passed else "under the bar")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
