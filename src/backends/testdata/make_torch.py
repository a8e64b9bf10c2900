# SPDX-License-Identifier: Apache-2.0
"""Makes the TorchScript files of contract_test.cc beside itself: python make_torch.py (torch 2.11)."""
import io
import os
import pathlib
import zipfile

import numpy
import torch

HERE = pathlib.Path(__file__).parent / "torch"
HERE.mkdir(exist_ok=True)
torch.manual_seed(1)


class Affine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        with torch.no_grad():
            self.linear.weight.copy_(torch.arange(12.0).reshape(3, 4) / 10)
            self.linear.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)

    @torch.jit.export
    def named(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"twice": 2 * x, "sum": x.sum(1)}


class Counter(torch.nn.Module):
    """A cache that goes round: adds x to it and gives the sum so far."""

    def forward(self, x: torch.Tensor, cache: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        total = cache + x
        return total.sum(1), total


class Identity(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class InPlace(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.add_(1)


class Large(torch.nn.Module):
    """Asks for more memory than any machine has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones([x.size(0), 1 << 46]).sum(1)


class Looks(torch.nn.Module):
    """Decides by a value: on a GPU the host has to wait for it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            return x * 2
        return x - 1


class Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.ConvTranspose2d(8, 6, 4, 2, 1), torch.nn.BatchNorm2d(6), torch.nn.SiLU(), torch.nn.Conv2d(6, 1, 3, 1, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.layers(x))


class Saves(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "/tmp/serin-should-never-be")
        return x


class Reads(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("/etc/passwd", False, 4, dtype=torch.float32)


class ReadsOnLoad(torch.nn.Module):
    """Does it while it is loaded, before anybody can look at its graphs."""

    def __init__(self):
        super().__init__()
        self.weight = torch.zeros(4)

    @torch.jit.export
    def __getstate__(self):
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.weight = torch.from_file("/etc/passwd", False, 4, dtype=torch.float32)
        self.training = state[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


def script(name, module):
    torch.jit.script(module.eval()).save(str(HERE / name))


def rewritten(source, name, change):
    """The same archive with each entry passed through change(name, bytes)."""
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            to, data = change(info.filename, old.read(info))
            new.writestr(to, data)


script("affine.pt", Affine())
script("counter.pt", Counter())
script("identity.pt", Identity())
script("in_place.pt", InPlace())
script("large.pt", Large())
script("looks.pt", Looks())
script("saves.pt", Saves())
script("reads.pt", Reads())
script("reads_on_load.pt", ReadsOnLoad())

broken = Affine()
with torch.no_grad():
    broken.linear.bias[1] = float("nan")
script("nan.pt", broken)

convolution = Convolution()
for _ in range(3):
    convolution(torch.randn(4, 8, 4, 4))
script("convolution.pt", convolution)
x = torch.randn(3, 8, 4, 4)
numpy.save(HERE / "convolution.x.npy", x.numpy())
with torch.inference_mode():
    numpy.save(HERE / "convolution.y.npy", convolution.eval()(x).numpy())

torch.save(Affine().state_dict(), HERE / "state_dict.pt")
torch.save(Affine().state_dict(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)

pickled = b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03."
rewritten("affine.pt", "evil_pickle.pt", lambda n, d: (n, pickled if n.endswith("/data.pkl") else d))
rewritten("affine.pt", "escapes.pt", lambda n, d: ("affine/../../evil" if n.endswith("/version") else n, d))
whole = (HERE / "affine.pt").read_bytes()
(HERE / "cut.pt").write_bytes(whole[: len(whole) // 2])
(HERE / "garbage.pt").write_bytes(bytes(range(256)) * 4)
