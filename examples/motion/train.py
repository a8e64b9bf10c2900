# SPDX-License-Identifier: Apache-2.0
"""Trains the clip generator from nothing and exports package/model.pt.

The generator learns to turn ten standard normal numbers and two labels into a clip, from real clips
and the numbers that they were made from, four frames of each clip at a time. Fed new noise it makes
new clips. Runs on a CPU.
"""

import pathlib
import sys

import clips
import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import training  # noqa: E402

LEARNT_FRAMES = 4  # of each training clip
PATCH = 4
GRID = clips.SIZE // PATCH


class Labels(nn.Module):
    """Embeds shape and direction together: [N], [N] -> [N, width]."""

    def __init__(self, width: int):
        super().__init__()
        self.shape = nn.Embedding(len(clips.SHAPES), width)
        self.direction = nn.Embedding(len(clips.DIRECTIONS), width)

    def forward(self, shape: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        return self.shape(shape) + self.direction(direction)


class Generator(nn.Module):
    """Noise and labels -> clip.

    Noise, labels and time give each frame a coarse map, from which convolutions grow it. The last
    layer says where the shape is, the noise which colours shape and background have.
    """

    def __init__(self, width: int = 48, dense: int = 256):
        super().__init__()
        self.grid_size = GRID
        self.patch = PATCH
        self.register_buffer("every", torch.arange(clips.FRAMES))
        self.labels = Labels(dense)
        self.noise = nn.Linear(clips.NUMBERS, dense)
        self.mix = nn.Linear(dense, dense)
        self.when = nn.Parameter(torch.randn(clips.FRAMES, dense) * 0.3)
        self.when_scale = nn.Parameter(torch.randn(clips.FRAMES, dense) * 0.3)
        self.frame1 = nn.Linear(dense, dense)
        self.frame2 = nn.Linear(dense, dense)
        self.grid = nn.Linear(dense, width // 2 * GRID * GRID)
        self.conv1 = nn.Conv2d(width // 2, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(dense, 2 * width)
        self.leave = nn.Conv2d(width, PATCH * PATCH, 3, padding=1)
        self.colours = nn.Linear(dense, 6)

    def forward(
        self, noise: torch.Tensor, shape: torch.Tensor, direction: torch.Tensor
    ) -> torch.Tensor:
        """noise [N, NUMBERS], labels [N] -> clip [N, FRAMES, 3, SIZE, SIZE] in [0, 1]."""
        mask, ink, paper = self.parts(noise, shape, direction, self.every)
        mask = torch.sigmoid(mask)[:, :, None]
        ink, paper = ink[:, None, :, None, None], paper[:, None, :, None, None]
        return paper + mask * (ink - paper)

    def parts(
        self,
        noise: torch.Tensor,
        shape: torch.Tensor,
        direction: torch.Tensor,
        frames: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log odds of the shape's cover in the frames of these indices [F]: [N, F, SIZE, SIZE], and
        the colours of shape and background [N, 3] in [0, 1]."""
        count = noise.shape[0]
        seed = F.silu(self.noise(noise) + self.labels(shape, direction))
        seed = seed + F.silu(self.mix(seed))
        h = seed[:, None] * (1.0 + self.when_scale[frames]) + self.when[frames]
        h = h + self.frame2(F.silu(self.frame1(F.silu(h))))
        x = F.silu(self.grid(F.silu(h)))
        x = x.view(count * frames.shape[0], self.grid_size, self.grid_size, -1).permute(0, 3, 1, 2)
        x = self.conv1(x)
        scale, shift = self.modulation(seed)[:, None, :, None, None].chunk(2, dim=2)
        x = x.view(count, frames.shape[0], -1, self.grid_size, self.grid_size)
        x = F.silu(x * (1.0 + scale) + shift).flatten(0, 1)
        x = x + F.silu(self.conv2(x))
        mask = F.pixel_shuffle(self.leave(x), self.patch).float()
        mask = mask.view(count, frames.shape[0], mask.shape[2], mask.shape[3])
        ink, paper = torch.sigmoid(self.colours(seed).float()).chunk(2, dim=1)
        return mask, ink, paper


def clip_loss(model, data, count):
    """Cross entropy of the cover, nats a pixel, tenfold, and mean squared error of the colours."""
    frames = torch.randperm(clips.FRAMES)[:LEARNT_FRAMES]
    mask, ink, paper, numbers, shape, direction = data.draw_parts(count, frames.tolist())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made_mask, made_ink, made_paper = model.parts(numbers, shape, direction, frames)
    cover = F.binary_cross_entropy_with_logits(made_mask, mask)
    return 10.0 * cover + (F.mse_loss(made_ink, ink) + F.mse_loss(made_paper, paper))


def main():
    options = training.options(__doc__, steps=1500, batch=32)
    model = Generator().to(memory_format=torch.channels_last)
    data = clips.Clips(options.seed, clips.GENERATOR_STREAM)
    training.train(model, lambda m: clip_loss(m, data, options.batch), options, HERE / "package",
                   warm_up=50, decay=0.0, keep=0.995)


if __name__ == "__main__":
    main()
