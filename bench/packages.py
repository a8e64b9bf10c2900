# SPDX-License-Identifier: Apache-2.0
"""Makes the packages that only benchmarks serve; `serin package seal` completes them.

Usage: packages.py FOLDER, with a Python that has PyTorch. Makes FOLDER/identity, which gives back its argument, and
FOLDER/large, a stack of layers with 1 GB of weights.
"""
import pathlib
import sys

import torch

WIDTH = 2048
LAYERS = 60  # of 16.8 MB

MANIFEST = """format: serin.dev/package/v1
name: {name}
task: inference
description: {description}
license: Apache-2.0
engine: torch
model: model.pt
files: []
inputs:
- {{name: x, kind: tensor, dtype: float32, shape: [{width}], default: 0}}
call:
  method: forward
  arguments:
  - {{name: x, input: x, dtype: float32, shape: [N, {width}]}}
  results:
  - {{name: y, dtype: float32, shape: [N, {width}]}}
loop: {{kind: once}}
outputs:
- {{name: y, kind: tensor, result: y}}
batching: {{sizes: {sizes}, maxWait: 1ms}}
golden:
- request: {{}}
  expect: {{}}
"""


class Identity(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def write(folder, module, **manifest):
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.script(module).save(str(folder / "model.pt"))
    (folder / "model.yaml").write_text(MANIFEST.format(name=folder.name, **manifest))


if __name__ == "__main__":
    into = pathlib.Path(sys.argv[1])
    write(into / "identity", Identity(), description="Gives back what it is given.", width=16,
          sizes=[1, 2, 4, 8, 16, 32])
    layers = torch.nn.Sequential(*(torch.nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS)))
    write(into / "large", layers, description="Takes long to read.", width=WIDTH, sizes=[1])
