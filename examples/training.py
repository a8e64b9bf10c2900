# SPDX-License-Identifier: Apache-2.0
"""What the convolutional PyTorch examples train with: options, schedule, averaged weights, export.

A script builds its model and says what a batch costs; `train` does the rest.
"""

import argparse
import copy
import math
import time

import torch
from torch import nn

REPORT_EVERY = 50
EXPORT_EVERY = 300


def options(description, *, steps, batch):
    """The command line of a training script. Sets the number of threads and the seed as well."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch, help="examples in a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="the highest learning rate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    torch.manual_seed(found.seed)
    return found


def train(model, loss, chosen, package, *, warm_up, decay, keep):
    """Trains `model` on what `loss(model)` gives and exports the moving average of its weights.

    chosen: what `options` gave. package: the folder that model.pt goes to; the average so far is
    written there now and then, so that a run can be looked at. warm_up: steps until the learning
    rate is at its highest, from where it falls along half a cosine. decay: AdamW's. keep: which
    part of the average a step keeps, once there have been many.
    """
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    average = copy.deepcopy(model)
    export(average, package)  # fails now or never
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=decay)
    started, total = time.monotonic(), 0.0
    for step in range(chosen.steps):
        fallen = 0.5 * (1.0 + math.cos(math.pi * step / chosen.steps))
        for group in optimizer.param_groups:
            group["lr"] = chosen.rate * min(1.0, (step + 1) / warm_up) * fallen
        cost = loss(model)
        optimizer.zero_grad(set_to_none=True)
        cost.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        kept = min(keep, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for mean, value in zip(average.parameters(), model.parameters()):
                mean.lerp_(value, 1.0 - kept)
        total += cost.item()
        if (step + 1) % REPORT_EVERY == 0:
            minutes = (time.monotonic() - started) / 60
            print(f"step {step + 1} loss {total / REPORT_EVERY:.4f} {minutes:.1f} min", flush=True)
            total = 0.0
        if (step + 1) % EXPORT_EVERY == 0:
            export(average, package)
    export(average, package)


def export(model, package):
    """Writes a copy of the model as TorchScript, float32, any batch size."""
    package.mkdir(exist_ok=True)
    still = copy.deepcopy(model).float().eval().to(memory_format=torch.contiguous_format)
    torch.jit.script(still).save(str(package / "model.pt"))
