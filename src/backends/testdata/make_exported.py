# SPDX-License-Identifier: Apache-2.0
"""Makes the exported programs (.pt2) of contract_test.cc beside itself: python make_exported.py (torch 2.11). The same
functions as make_torch.py's, of which it reads convolution.pt's weights, so that the results are the same too."""
import json
import pathlib
import pickle
import zipfile

import torch
from torch.export.pt2_archive._package import package_pt2

HERE = pathlib.Path(__file__).parent / "exported"
SCRIPTS = HERE.with_name("torch")
HERE.mkdir(exist_ok=True)
BATCH = torch.export.Dim("batch")


class Affine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
        with torch.no_grad():
            self.linear.weight.copy_(torch.arange(12.0).reshape(3, 4) / 10)
            self.linear.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x):
        return self.linear(x)


class Named(torch.nn.Module):
    def forward(self, x):
        return {"twice": 2 * x, "sum": x.sum(1)}


class Counter(torch.nn.Module):
    def forward(self, x, cache):
        total = cache + x
        return total.sum(1), total


class Identity(torch.nn.Module):
    def forward(self, x):
        return x


class InPlace(torch.nn.Module):
    def forward(self, x):
        return x.add_(1)


class Remembers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(4))

    def forward(self, x):
        self.calls += 1
        return x + self.calls


class Large(torch.nn.Module):
    """Asks for more memory than any machine has; sorting cannot be folded away."""

    def forward(self, x):
        return torch.sort(x[:, :1] + torch.ones([x.size(0), 1 << 46])).values[:, :4]


class Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.ConvTranspose2d(8, 6, 4, 2, 1), torch.nn.BatchNorm2d(6), torch.nn.SiLU(), torch.nn.Conv2d(6, 1, 3, 1, 1)
        )
        self.load_state_dict(torch.jit.load(str(SCRIPTS / "convolution.pt")).state_dict())

    def forward(self, x):
        return torch.sigmoid(self.layers(x))


def program(module, *shapes, dim=BATCH):
    examples = tuple(torch.zeros(shape) for shape in shapes)
    return torch.export.export(module.eval(), examples, dynamic_shapes=tuple({0: dim} for _ in shapes))


def save(name, module, *shapes, dim=BATCH):
    torch.export.save(program(module, *shapes, dim=dim), HERE / name)


def rewritten(source, name, change):
    """The same archive with each entry passed through change(name, bytes)."""
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_STORED) as new:
        for info in old.infolist():
            new.writestr(info.filename, change(info.filename, old.read(info)))


def in_model(change):
    """For rewritten(): changes the text of the program alone."""
    return lambda name, data: change(data.decode()).encode() if name.endswith("models/model.json") else data


package_pt2(HERE / "affine.pt2", exported_programs={"model": program(Affine(), (2, 4)), "named": program(Named(), (2, 4))})
save("counter.pt2", Counter(), (2, 4), (2, 4))
save("identity.pt2", Identity(), (2, 4))
save("in_place.pt2", InPlace(), (2, 4))
save("remembers.pt2", Remembers(), (2, 4))
save("large.pt2", Large(), (2, 4))
save("convolution.pt2", Convolution(), (2, 8, 4, 4))
save("few.pt2", Identity(), (2, 4), dim=torch.export.Dim("batch", min=2, max=3))
broken = Affine()
with torch.no_grad():
    broken.linear.bias[1] = float("nan")
save("nan.pt2", broken, (2, 4))
torch.export.save(torch.export.export(Identity(), (torch.zeros(2, 4),)), HERE / "static.pt2")
channels_last = torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last)
torch.export.save(torch.export.export(Identity(), (channels_last,), dynamic_shapes=({0: BATCH},)), HERE / "channels_last.pt2")

# What no torch.export writes.
for name, target in (("saves.pt2", "torch.save"), ("reads.pt2", "torch.ops.aten.from_file.default")):
    node = json.dumps([{"target": target, "inputs": [], "outputs": [], "metadata": {}, "is_hop_single_tensor_return": None}])
    rewritten("identity.pt2", name, in_model(lambda text: text.replace('"nodes": []', '"nodes": ' + node)))
evil = "__import__('os').system('touch /tmp/serin-should-never-be')"
rewritten("identity.pt2", "evil_size.pt2", in_model(
    lambda text: text.replace("Symbol('s77', positive=True, integer=True)", evil)))
rewritten("identity.pt2", "evil_container.pt2", in_model(lambda text: text.replace("builtins.tuple", "os.PathLike")))


class Touch:
    def __reduce__(self):
        return __import__("os").system, ("touch /tmp/serin-should-never-be",)


rewritten("affine.pt2", "pickled_weights.pt2", lambda name, data: (
    data.replace(b'"use_pickle": false', b'"use_pickle": true', 1) if name.endswith("model_weights_config.json")
    else pickle.dumps(Touch()) if name.endswith("weights/weight_0") else data))
rewritten("affine.pt2", "evil_samples.pt2", lambda name, data: pickle.dumps(Touch()) if "sample_inputs" in name else data)
whole = (HERE / "affine.pt2").read_bytes()
(HERE / "cut.pt2").write_bytes(whole[: len(whole) // 2])
with zipfile.ZipFile(HERE / "identity.pt2") as old, zipfile.ZipFile(HERE / "machine_code.pt2", "w") as new:
    for info in old.infolist():
        new.writestr(info.filename, old.read(info))
    new.writestr("identity/data/aotinductor/model/model.so", b"\x7fELF")
