# SPDX-License-Identifier: Apache-2.0
"""Real clips: one shape that moves steadily in one of eight directions, anti-aliased.

Start, size, speed and both colours vary; the shape is inside the picture in every frame. The
generator and the judge learn from disjoint draws: each passes its own stream to `Clips`.
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


class Clips:
    """Endless random clips of one stream; the same seed and stream give the same clips."""

    def __init__(self, seed, stream):
        self.random = torch.Generator().manual_seed(1000 * seed + stream)

    def draw(self, count):
        """Clips [count, FRAMES, 3, SIZE, SIZE] in [0, 1], shapes [count], directions [count]."""
        shapes = torch.randint(len(SHAPES), (count,), generator=self.random)
        directions = torch.randint(len(DIRECTIONS), (count,), generator=self.random)
        masks = self._masks(shapes, directions)
        ink = self._uniform(count, 3, *INK)[:, None, :, None, None]
        paper = self._uniform(count, 3, *PAPER)[:, None, :, None, None]
        return paper + masks[:, :, None] * (ink - paper), shapes, directions

    def _uniform(self, count, width, low, high):
        return low + (high - low) * torch.rand(count, width, generator=self.random)

    def _masks(self, shapes, directions):
        """How much of each pixel the shape covers: [count, FRAMES, SIZE, SIZE]."""
        count = len(shapes)
        radius = self._uniform(count, 1, *RADIUS)
        travel = self._uniform(count, 1, *TRAVEL)
        angle = directions[:, None].float() * (2 * math.pi / len(DIRECTIONS))
        course = torch.cat([angle.cos(), angle.sin()], dim=1) * travel
        room = (SIZE / 2 - 1.2 * radius - course.abs() / 2).clamp(min=0.0)
        middle = SIZE / 2 + room * self._uniform(count, 2, -1.0, 1.0)
        phase = torch.linspace(-0.5, 0.5, FRAMES)[None, :, None]
        centres = middle[:, None] + course[:, None] * phase
        pixels = torch.arange(SIZE) + 0.5
        x = (pixels - centres[:, :, :1])[:, :, None, :].expand(-1, -1, SIZE, -1)
        y = (pixels - centres[:, :, 1:])[:, :, :, None].expand(-1, -1, -1, SIZE)
        masks = torch.empty(count, FRAMES, SIZE, SIZE)
        for shape in range(len(SHAPES)):
            rows = shapes == shape
            edge = distances(x[rows], y[rows], radius[rows, :, None, None])[shape]
            masks[rows] = (0.5 - edge).clamp(0.0, 1.0)
        return masks


def contact_sheet(clips, frames, margin=2, scale=2):
    """One clip a row, the given frames in columns: an RGB image of [n, FRAMES, 3, h, w] in [0, 1]."""
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
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
