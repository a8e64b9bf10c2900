# SPDX-License-Identifier: Apache-2.0
"""What the judges of the convolutional PyTorch examples share.

Both train a classifier of two labels on real data that the generator never saw, let it look at the
answers to the seeds 0 to SEEDS - 1, and ask that no two seeds give the same answer.
"""

import argparse
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import sampling

BAR = 0.95
SEEDS = 1000


def options(description, package, *, steps):
    """The command line of a judge. Checks the noise; sets threads and the judge's own seed."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--package", type=pathlib.Path, default=package)
    parser.add_argument("--steps", type=int, default=steps, help="training steps of the classifier")
    parser.add_argument("--sheet", type=pathlib.Path, help="also write a contact sheet, a PNG")
    found = parser.parse_args()
    sampling.self_test()
    torch.set_num_threads(1)
    torch.manual_seed(4)
    return found


def train_classifier(model, draw, steps, *, decay, second):
    """Trains `model`, which gives two sets of logits, on the batches that `draw(step)` gives.

    draw gives what the model sees and the two labels; `second` is the weight of the second.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step in range(steps):
        seen, *labels = draw(step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(seen)
        costs = [F.cross_entropy(l.float(), label) for l, label in zip(logits, labels)]
        optimizer.zero_grad(set_to_none=True)
        (costs[0] + second * costs[1]).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.inference_mode()
def classify(model, seen):
    """Both labels, as indices [n], that the classifier sees in `seen` [n, ...]."""
    parts = [model(part) for part in seen.split(100)]
    return tuple(torch.cat([p[i].argmax(1) for p in parts]).numpy() for i in (0, 1))


def distinct(made):
    """How many of the answers [n, ...] differ from all others."""
    return len({one.tobytes() for one in made})


def smallest_difference(made, groups):
    """Least mean absolute difference between two answers [n, ...] of one group."""
    least = np.inf
    for group in np.unique(groups):
        members = made[groups == group].reshape((groups == group).sum(), -1).astype(np.float32)
        for index in range(len(members) - 1):
            least = min(least, np.abs(members[index + 1:] - members[index]).mean(1).min())
    return least


def milliseconds(call, times=10):
    """The time of one core that `call` takes, the mean of so many; it is warm before."""
    call()
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times * 1e3
