# SPDX-License-Identifier: Apache-2.0
"""The bare loop that glyphs.py compares with: the package's model and its steps in PyTorch, nothing around it.

Usage: glyphs_loop.py MODEL THREADS SECONDS, with a Python that has PyTorch. Each line of standard input is a batch size;
each answer the pictures a second at that size. Pictures are guided, so a batch of N calls the model with 2 N rows.
"""
import sys
import time

import torch

STEPS, GUIDANCE, ANY = 12, 2.0, 36  # the package's defaults; the label of "any"


def pictures(model, count):
    state = torch.randn(count, 1, 32, 32)
    character = torch.cat([torch.randint(0, ANY, (count,)), torch.full((count,), ANY)])
    style = torch.randint(0, 8, (count,)).repeat(2)
    for step in range(STEPS):
        time_left = torch.full((2 * count,), 1 - step / STEPS)
        guided, free = model(state.repeat(2, 1, 1, 1), time_left, character, style).chunk(2)
        state = state - (free + GUIDANCE * (guided - free)) / STEPS
    return state


def main():
    model = torch.jit.load(sys.argv[1]).eval()
    torch.set_num_threads(int(sys.argv[2]))
    seconds = float(sys.argv[3])
    with torch.inference_mode():
        # oneDNN's own layout and fused kernels where they exist: what PyTorch advises for serving.
        model = torch.jit.optimize_for_inference(torch.jit.freeze(model))
        for line in sys.stdin:
            count, made = int(line), 0
            for _ in range(2):
                pictures(model, count)
            began = time.perf_counter()
            while time.perf_counter() - began < seconds:
                pictures(model, count)
                made += count
            print(made / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
