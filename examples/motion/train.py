# SPDX-License-Identifier: Apache-2.0
"""Trains the clip generator from nothing and exports package/model.pt.

A conditional variational autoencoder: the encoder sees a whole clip and its labels and gives a
normal distribution of 16 numbers; the decoder makes the clip again from a draw of it and the labels.
Only the decoder is exported; it is fed standard normal noise. Runs on a CPU.
"""

import argparse
import copy
import math
import pathlib
import sys
import time

import clips
import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import sealing  # noqa: E402

LATENT = 16
PATCH = 4
GRID = clips.SIZE // PATCH
ERROR_WEIGHT = 0.02  # of the summed squared error against the Kullback-Leibler divergence


class Labels(nn.Module):
    """Embeds shape and direction together: [N], [N] -> [N, width]."""

    def __init__(self, width: int):
        super().__init__()
        self.shape = nn.Embedding(len(clips.SHAPES), width)
        self.direction = nn.Embedding(len(clips.DIRECTIONS), width)

    def forward(self, shape: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        return self.shape(shape) + self.direction(direction)


class Encoder(nn.Module):
    """Clip and labels -> mean and log variance of the latent."""

    def __init__(self, width: int = 96):
        super().__init__()
        self.labels = Labels(width)
        self.patches = nn.Conv2d(3 * clips.FRAMES, width, PATCH, stride=PATCH)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, stride=2)
        self.dense = nn.Linear(width * GRID * GRID // 4, 256)
        self.leave = nn.Linear(256, 2 * LATENT)

    def forward(self, clip, shape, direction):
        """clip [N, FRAMES, 3, SIZE, SIZE] -> mean [N, LATENT], log variance [N, LATENT]."""
        x = self.patches(clip.flatten(1, 2).to(memory_format=torch.channels_last) - 0.3)
        x = F.silu(x + self.labels(shape, direction)[:, :, None, None])
        x = F.silu(self.conv1(x))
        x = F.silu(self.conv2(x))
        mean, log_variance = self.leave(F.silu(self.dense(x.flatten(1)))).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 4.0)


class Decoder(nn.Module):
    """Noise and labels -> clip. Each frame is grown by convolutions, joined to its neighbours by one
    convolution over time; the last layer says where the shape is, and the noise which colours the
    shape and the background have."""

    def __init__(self, width: int = 48, dense: int = 256):
        super().__init__()
        self.width = width
        self.grid_size = GRID
        self.patch = PATCH
        self.labels = Labels(dense)
        self.noise = nn.Linear(LATENT, dense)
        self.mix = nn.Linear(dense, dense)
        self.when = nn.Parameter(torch.randn(clips.FRAMES, dense) * 0.3)
        self.when_scale = nn.Parameter(torch.randn(clips.FRAMES, dense) * 0.3)
        self.frame1 = nn.Linear(dense, dense)
        self.frame2 = nn.Linear(dense, dense)
        self.grid = nn.Linear(dense, width // 2 * GRID * GRID)
        self.conv1 = nn.Conv2d(width // 2, width, 3, padding=1)
        self.over_time = nn.Conv2d(width, width, (3, 1), padding=(1, 0))
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(dense, 2 * width)
        self.leave = nn.Conv2d(width, PATCH * PATCH, 3, padding=1)
        self.colours = nn.Linear(dense, 6)

    def forward(
        self, noise: torch.Tensor, shape: torch.Tensor, direction: torch.Tensor
    ) -> torch.Tensor:
        """noise [N, LATENT], labels [N] -> clip [N, FRAMES, 3, SIZE, SIZE] in [0, 1]."""
        count = noise.shape[0]
        frames = self.when.shape[0]
        seed = F.silu(self.noise(noise) + self.labels(shape, direction))
        seed = seed + F.silu(self.mix(seed))
        h = seed[:, None] * (1.0 + self.when_scale) + self.when
        h = h + self.frame2(F.silu(self.frame1(F.silu(h))))
        # The channels stay last in memory; the views below read the same numbers per frame, as
        # [rows, channels, y, x], and per place, as [clips, channels, frames, places].
        x = F.silu(self.grid(F.silu(h))).view(count * frames, self.grid_size, self.grid_size, -1)
        x = self.conv1(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        scale, shift = self.modulation(seed)[:, None, None].chunk(2, dim=3)
        x = F.silu(x.reshape(count, frames, -1, self.width) * (1.0 + scale) + shift)
        x = x.permute(0, 3, 1, 2)
        x = (x + self.over_time(x)).permute(0, 2, 3, 1)
        x = x.reshape(count * frames, self.grid_size, self.grid_size, self.width)
        x = x.permute(0, 3, 1, 2)
        x = x + F.silu(self.conv2(F.silu(x)))
        mask = torch.sigmoid(F.pixel_shuffle(self.leave(x), self.patch).float())
        mask = mask.view(count, frames, 1, mask.shape[2], mask.shape[3])
        colours = torch.sigmoid(self.colours(seed).float()).view(count, 2, 1, 3, 1, 1)
        ink, paper = colours[:, 0], colours[:, 1]
        return paper + mask * (ink - paper)


class Autoencoder(nn.Module):
    """Encoder and decoder, trained together."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def loss(self, clip, shape, direction, divergence_weight):
        """The training loss, and its summed squared error and divergence a clip, in nats."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mean, log_variance = self.encoder(clip, shape, direction)
            latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            made = self.decoder(latent, shape, direction)
        error = (made.float() - clip).square().sum(dim=(1, 2, 3, 4)).mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(1).mean()
        return ERROR_WEIGHT * error + divergence_weight * divergence, error, divergence


def train(model, data, steps, batch_size, peak, report_every=100):
    """Trains in place and returns the moving average of the decoder's weights, as a model.

    The divergence counts from a tenth to all over the first third of the steps, so that the latent
    learns the clips first and its distribution then. The average so far is exported now and then.
    """
    average = copy.deepcopy(model.decoder)
    export(copy.deepcopy(average), HERE / "package" / "model.pt")  # fails now or never
    optimizer = torch.optim.Adam(model.parameters(), lr=peak)
    started = time.monotonic()
    for step in range(steps):
        rate = min(1.0, (step + 1) / 50) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = peak * rate
        weight = min(1.0, 0.1 + 2.7 * step / steps)
        loss, error, divergence = model.loss(*data.draw(batch_size), weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 20.0)
        optimizer.step()
        keep = min(0.995, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), model.decoder.parameters()):
                mean.lerp_(value, 1.0 - keep)
        if (step + 1) % report_every == 0:
            minutes = (time.monotonic() - started) / 60
            print(f"step {step + 1} error {error.item():.1f} divergence {divergence.item():.1f}"
                  f" {minutes:.1f} min", flush=True)
        if (step + 1) % 500 == 0:
            export(copy.deepcopy(average), HERE / "package" / "model.pt")
    return average


def export(model, path):
    """Writes the decoder as TorchScript, float32, any batch size."""
    model = model.float().eval().to(memory_format=torch.contiguous_format)
    torch.jit.script(model).save(str(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    started = time.monotonic()
    model = Autoencoder().to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in model.decoder.parameters())} parameters", flush=True)
    data = clips.Clips(options.seed, clips.GENERATOR_STREAM)
    average = train(model, data, options.steps, options.batch, options.rate)
    export(average, HERE / "package" / "model.pt")
    sealing.record_file(HERE / "package", "model.pt")
    print(f"took {(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
