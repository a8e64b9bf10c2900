# SPDX-License-Identifier: Apache-2.0
"""Real clips: one shape that moves steadily in one of eight directions, anti-aliased.

Start, size, speed and both colours vary: ten numbers, each drawn as a standard normal number and
bent to its range. The shape is inside the picture in every frame. The generator and the judge learn from disjoint draws: each passes its own stream to `Clips`.
"""

import math

import numpy as np
import torch
from PIL import Image

SIZE = 32
FRAMES = 16
SHAPES = ["square", "circle", "triangle", "cross"]
DIRECTIONS = ["right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right"]
GENERATOR_STREAM, JUDGE_STREAM, CHECK_STREAM = 1, 2, 3

RADIUS = (4.2, 6.2)  # pixels, from the middle to the edge
TRAVEL = (8.0, 16.0)  # pixels, from the first to the last frame
INK = (0.35, 1.0)  # range of each channel of the shape's colour
PAPER = (0.0, 0.22)  # and of the background's
NUMBERS = 10  # size, travel, place across and down, shape's colour, background's colour


def distances(x, y, radius):
    """Signed distance in pixels to each shape's edge, negative inside: a list as SHAPES.

    x, y: position relative to the shape's middle, pixels, y down. radius broadcasts against them.
    """
    ax, ay = x.abs(), y.abs()
    square = torch.maximum(ax, ay) - 0.9 * radius
    circle = torch.hypot(x, y) - radius
    half = math.sqrt(3.0) / 2
    triangle = torch.maximum(half * ax - 0.5 * y - 0.62 * radius, y - 0.62 * radius)
    arm = 0.36 * radius
    bars = torch.minimum(torch.maximum(ax - radius, ay - arm), torch.maximum(ay - radius, ax - arm))
    return [square, circle, triangle, bars]


def between(limits, part):
    """The number that is `part` of the way between two limits."""
    low, high = limits
    return low + (high - low) * part


class Clips:
    """Endless random clips of one stream; the same seed and stream give the same clips."""

    def __init__(self, seed, stream):
        self.random = torch.Generator().manual_seed(1000 * seed + stream)

    def draw(self, count, frames=range(FRAMES)):
        """Clips [count, len(frames), 3, SIZE, SIZE] in [0, 1], shapes and directions [count]."""
        masks, ink, paper, _, shapes, directions = self.draw_parts(count, frames)
        ink, paper = ink[:, None, :, None, None], paper[:, None, :, None, None]
        return paper + masks[:, :, None] * (ink - paper), shapes, directions

    def draw_parts(self, count, frames=range(FRAMES)):
        """What clips are made of: the part of each pixel that the shape covers [count, len(frames),
        SIZE, SIZE], the colours of shape and background [count, 3], the normal numbers that
        everything follows from [count, NUMBERS], shapes [count] and directions [count]."""
        shapes = torch.randint(len(SHAPES), (count,), generator=self.random)
        directions = torch.randint(len(DIRECTIONS), (count,), generator=self.random)
        numbers = torch.randn(count, NUMBERS, generator=self.random)
        part = 0.5 + 0.5 * torch.erf(numbers / math.sqrt(2.0))  # uniform in (0, 1)
        masks = self._masks(shapes, directions, part, list(frames))
        ink, paper = between(INK, part[:, 4:7]), between(PAPER, part[:, 7:10])
        return masks, ink, paper, numbers, shapes, directions

    def _masks(self, shapes, directions, part, frames):
        count = len(shapes)
        radius = between(RADIUS, part[:, 0:1])
        travel = between(TRAVEL, part[:, 1:2])
        angle = directions[:, None].float() * (2 * math.pi / len(DIRECTIONS))
        course = torch.cat([angle.cos(), angle.sin()], dim=1) * travel
        room = (SIZE / 2 - 1.2 * radius - course.abs() / 2).clamp(min=0.0)
        middle = SIZE / 2 + room * between((-1.0, 1.0), part[:, 2:4])
        phase = torch.linspace(-0.5, 0.5, FRAMES)[frames][None, :, None]
        centres = middle[:, None] + course[:, None] * phase
        pixels = torch.arange(SIZE) + 0.5
        x = (pixels - centres[:, :, :1])[:, :, None, :].expand(-1, -1, SIZE, -1)
        y = (pixels - centres[:, :, 1:])[:, :, :, None].expand(-1, -1, -1, SIZE)
        masks = torch.empty(count, len(frames), SIZE, SIZE)
        for shape in range(len(SHAPES)):
            rows = shapes == shape
            edge = distances(x[rows], y[rows], radius[rows, :, None, None])[shape]
            masks[rows] = (0.5 - edge).clamp(0.0, 1.0)
        return masks


def contact_sheet(clips, frames, margin=2, scale=2):
    """One clip a row, the given frames in columns, of [n, FRAMES, 3, h, w] in [0, 1]."""
    tiles = (np.clip(clips[:, frames], 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    rows, columns, _, height, width = tiles.shape
    sheet = np.full(
        (rows * (height + margin) + margin, columns * (width + margin) + margin, 3), 255, np.uint8
    )
    for row in range(rows):
        for column in range(columns):
            top, left = margin + row * (height + margin), margin + column * (width + margin)
            sheet[top:top + height, left:left + width] = tiles[row, column].transpose(1, 2, 0)
    image = Image.fromarray(sheet)
    image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    return image.quantize(255)
