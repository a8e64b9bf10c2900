# SPDX-License-Identifier: Apache-2.0
"""Made slow/: a TorchScript model that works for as long as it is asked to. Run again with PyTorch when it must change.

    python make.py && serin package seal slow
"""
import pathlib

import torch


class Slow(torch.nn.Module):
    """Doubles x; every round before it costs about a millisecond."""

    def forward(self, x: torch.Tensor, rounds: torch.Tensor) -> torch.Tensor:
        work = torch.eye(256)
        for _ in range(int(rounds.max())):
            work = torch.mm(work, work)
        return x * 2 * work[0, 0]


if __name__ == "__main__":
    torch.jit.script(Slow()).save(str(pathlib.Path(__file__).parent / "slow/model.pt"))
