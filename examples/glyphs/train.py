# SPDX-License-Identifier: Apache-2.0
"""Trains the glyph denoiser from nothing on rendered fonts and exports package/model.pt.

Flow matching: for a picture x0 in [-1, 1], noise x1 and a time t the model sees (1 - t) x0 + t x1
and learns x0, and with it the velocity x1 - x0. A tenth of the characters are replaced by "any",
which gives the unconditional prediction that guidance needs. Runs on a CPU; see README.md for the
fonts.
"""

import math
import pathlib
import sys

import fonts
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import training  # noqa: E402

ANY = len(fonts.CHARACTERS)
PATCH = 4
TIME_FEATURES = 32


class Block(nn.Module):
    """Two convolutions beside a skip; the condition scales and shifts the normalised input."""

    def __init__(self, width: int, condition: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width, affine=False)
        self.modulation = nn.Linear(condition, 2 * width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(x) * (1.0 + scale) + shift
        return x + self.conv2(F.silu(self.conv1(h)))


class Denoiser(nn.Module):
    """Convolutions over 4x4 patches that guess the clean picture, from which the velocity follows.

    A clean picture is far simpler than noise, so guessing it needs few channels; and since the last
    step of the loop ends at the guess itself, no noise is left in the result.
    """

    def __init__(self, width: int = 96, depth: int = 5, condition: int = 128):
        super().__init__()
        self.patch = PATCH
        self.character = nn.Embedding(len(fonts.CHARACTERS) + 1, condition)
        self.style = nn.Embedding(len(fonts.STYLES), condition)
        self.time = nn.Linear(2 * TIME_FEATURES, condition)
        self.mix = nn.Linear(condition, condition)
        self.register_buffer(
            "frequencies", torch.exp(torch.linspace(0.0, math.log(200.0), TIME_FEATURES))
        )
        self.enter = nn.Conv2d(PATCH * PATCH, width, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(1, width, fonts.SIZE // PATCH, fonts.SIZE // PATCH))
        self.blocks = nn.ModuleList([Block(width, condition) for _ in range(depth)])
        self.norm = nn.GroupNorm(8, width)
        self.leave = nn.Conv2d(width, PATCH * PATCH, 3, padding=1)

    def clean(
        self,
        state: torch.Tensor,
        time: torch.Tensor,
        character: torch.Tensor,
        style: torch.Tensor,
    ) -> torch.Tensor:
        """The guessed picture [N, 1, 32, 32] in (-1, 1)."""
        angles = time[:, None] * self.frequencies[None]
        waves = self.time(torch.cat([angles.cos(), angles.sin()], dim=1))
        condition = F.silu(waves + self.character(character) + self.style(style))
        condition = F.silu(self.mix(condition))
        x = self.enter(F.pixel_unshuffle(state, self.patch)) + self.place
        for block in self.blocks:
            x = block(x, condition)
        return torch.tanh(F.pixel_shuffle(self.leave(F.silu(self.norm(x))), self.patch))

    def forward(
        self,
        state: torch.Tensor,
        time: torch.Tensor,
        character: torch.Tensor,
        style: torch.Tensor,
    ) -> torch.Tensor:
        """state [N, 1, 32, 32], time [N] in (0, 1], labels [N] -> velocity [N, 1, 32, 32]."""
        guess = self.clean(state, time, character, style)
        return (state - guess) / time.clamp(min=0.01)[:, None, None, None]


class Batches:
    """Endless training batches in which every style is equally frequent."""

    def __init__(self, pictures, characters, styles, seed):
        self.pictures, self.characters, self.styles = pictures, characters, styles
        self.by_style = [np.flatnonzero(styles == s) for s in range(len(fonts.STYLES))]
        self.random = np.random.default_rng(seed)

    def draw(self, size):
        """Pictures [size, 1, 32, 32] in [-1, 1], characters (a tenth ANY) and styles [size]."""
        style = self.random.integers(0, len(fonts.STYLES), size)
        rows = np.array([self.random.choice(self.by_style[s]) for s in style])
        character = np.where(self.random.random(size) < 0.1, ANY, self.characters[rows])
        pictures = torch.from_numpy(self.pictures[rows]).float().div(127.5).sub(1.0)[:, None]
        return pictures, torch.from_numpy(character), torch.from_numpy(style)


def flow_loss(model, pictures, characters, styles):
    """Mean squared error of the velocity at random times, most of them in the middle.

    Errors of the guess weigh 1/t^2 in the velocity; below t = 0.2 they weigh no more than there.
    """
    noise = torch.randn_like(pictures)
    times = torch.sigmoid(0.4 + torch.randn(len(pictures)))
    t = times[:, None, None, None]
    state = ((1.0 - t) * pictures + t * noise).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        guess = model.clean(state, times, characters, styles)
    return ((guess.float() - pictures) / t.clamp(min=0.2)).square().mean()


def main():
    options = training.options(__doc__, steps=1200, batch=64)
    pictures = fonts.cached_pictures(
        HERE / "data-generator.npz", fonts.GENERATOR_PACKAGES, variants=3, stretch=0.08, shift=0.5,
        seed=options.seed,
    )
    print(f"{len(pictures[0])} pictures", flush=True)
    model = Denoiser().to(memory_format=torch.channels_last)
    batches = Batches(*pictures, options.seed)
    training.train(model, lambda m: flow_loss(m, *batches.draw(options.batch)), options,
                   HERE / "package", warm_up=100, decay=0.01, keep=0.998)


if __name__ == "__main__":
    main()
