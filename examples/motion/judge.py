# SPDX-License-Identifier: Apache-2.0
"""Judges the exported package: does each clip show the wanted shape, moving the wanted way?

A classifier of every third frame is trained on real clips of a stream that the generator never saw,
checked on a third stream, then shown 1,000 generated clips, one for each seed with labels drawn
from the seed. Exits non-zero when shape and direction are both recognised in fewer than 95 %, or
two seeds give the same clip.
"""

import pathlib
import sys

import clips
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import judging  # noqa: E402
import sampling  # noqa: E402

WATCHED = list(range(0, clips.FRAMES, 3))


class Watcher(nn.Module):
    """Every third frame [n, 6, 3, SIZE, SIZE] in [0, 1] -> logits of shapes and directions."""

    def __init__(self):
        super().__init__()
        layers, width = [], len(WATCHED)
        for outputs, stride in ((48, 2), (64, 1), (96, 2), (96, 2)):
            layers += [nn.Conv2d(width, outputs, 3, padding=1, stride=stride),
                       nn.BatchNorm2d(outputs), nn.ReLU()]
            width = outputs
        self.features = nn.Sequential(*layers)
        self.leave = nn.Linear(width * 16, len(clips.SHAPES) + len(clips.DIRECTIONS))

    def forward(self, x):
        grey = x.mean(dim=2)
        grey = grey - grey.mean(dim=(1, 2, 3), keepdim=True)
        grey = grey / grey.std(dim=(1, 2, 3), keepdim=True).clamp(min=0.02)
        x = self.leave(self.features(grey).flatten(1))
        return x.split([len(clips.SHAPES), len(clips.DIRECTIONS)], dim=1)


def roughen(clip):
    """Softens half of the clips and adds a little noise."""
    soft = F.avg_pool3d(clip.transpose(1, 2), (1, 3, 3), stride=1, padding=(0, 1, 1),
                        count_include_pad=False).transpose(1, 2)
    mix = torch.rand(len(clip), 1, 1, 1, 1) * (torch.rand(len(clip), 1, 1, 1, 1) < 0.5)
    return clip.lerp(soft, 0.7 * mix) + 0.02 * torch.randn_like(clip)


def train_watcher(steps, batch_size=32):
    """The classifier, trained on the judge's stream of real clips."""
    data = clips.Clips(1, clips.JUDGE_STREAM)

    def draw(_):
        clip, shape, direction = data.draw(batch_size, WATCHED)
        return roughen(clip), shape, direction

    return judging.train_classifier(Watcher(), draw, steps, decay=0.01, second=1.0)


def generate(package, requests):
    """Clips of the requests, rounded to 8 bits as sent: uint8 [n, FRAMES, 3, SIZE, SIZE]."""
    made = [package.generate(requests[first:first + 50])["clip"]
            for first in range(0, len(requests), 50)]
    return np.clip(np.concatenate(made) * 255.0 + 0.5, 0, 255).astype(np.uint8)


def drawn_requests(package, seeds):
    """One request a seed; the labels written out are those that the seed draws."""
    requests = []
    for seed in seeds:
        request = {"seed": seed}
        values = package.input_values(request)
        for name in ("shape", "direction"):
            request[name] = package.labels(name)[values[name]]
        requests.append(request)
    return requests


def wobble(seen):
    """Median over clips of how far, root mean square in pixels, the shape strays from a straight
    and steady path: uint8 or float clips [n, FRAMES, 3, SIZE, SIZE]."""
    paper = np.median(seen.astype(np.float32), axis=(3, 4), keepdims=True)
    weight = np.abs(seen - paper).sum(axis=2)
    weight /= weight.sum(axis=(2, 3), keepdims=True) + 1e-9
    places = np.arange(clips.SIZE)
    path = np.stack([weight.sum(axis=2) @ places, weight.sum(axis=3) @ places], axis=2)
    phase = np.linspace(-1.0, 1.0, clips.FRAMES)[None, :, None]
    speed = (path * phase).mean(axis=1, keepdims=True) / (phase**2).mean()
    stray = path - path.mean(axis=1, keepdims=True) - speed * phase
    return float(np.median(np.sqrt((stray**2).sum(axis=2).mean(axis=1))))


def main():
    options = judging.options(__doc__, HERE / "package", steps=350)
    package = sampling.Package(options.package)
    requests = drawn_requests(package, range(judging.SEEDS))
    made = generate(package, requests)
    if options.sheet:
        sheet = clips.contact_sheet(made[:20] / 255.0, WATCHED)
        sheet.save(options.sheet, optimize=True)
    watcher = train_watcher(options.steps)

    real, shapes, directions = clips.Clips(1, clips.CHECK_STREAM).draw(1000)
    seen_shape, seen_direction = judging.classify(watcher, real[:, WATCHED])
    right = (seen_shape == shapes.numpy()) & (seen_direction == directions.numpy())
    print(f"real clips the judge never saw: {right.mean():.2%} recognised,"
          f" {wobble(real.numpy()):.2f} pixels off a straight path")

    shapes = np.array([clips.SHAPES.index(r["shape"]) for r in requests])
    directions = np.array([clips.DIRECTIONS.index(r["direction"]) for r in requests])
    watched = torch.from_numpy(made[:, WATCHED]).float() / 255.0
    seen_shape, seen_direction = judging.classify(watcher, watched)
    right = ((seen_shape == shapes) & (seen_direction == directions)).mean()
    distinct = judging.distinct(made)
    closest = judging.smallest_difference(made, shapes * len(clips.DIRECTIONS) + directions)
    print(f"generated clips: {right:.2%} recognised (shape {(seen_shape == shapes).mean():.2%},"
          f" direction {(seen_direction == directions).mean():.2%}),"
          f" {distinct} of {len(made)} distinct, {wobble(made):.2f} pixels off a straight path")
    print(f"closest two of one shape and direction differ by {closest:.1f} of 255 on average")
    clip = judging.milliseconds(lambda: package.generate([{"seed": 1}]))
    print(f"one clip alone: {clip:.0f} ms of one core")
    passed = right >= judging.BAR and distinct == judging.SEEDS
    print("passed" if passed else "under the bar")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
