# SPDX-License-Identifier: Apache-2.0
"""Models as PyTorch, TensorFlow and Keras save them become packages."""

import pathlib
import pickle
import zipfile

import pytest

from conftest import ROOT

EXPORTER = ROOT / "python"

DECODER = """
import torch
class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.grow = torch.nn.Linear(8, 3 * 16 * 16)
    def forward(self, z):
        return torch.sigmoid(self.grow(z)).view(-1, 3, 16, 16)
"""
BRANCHES = DECODER.replace("torch.sigmoid(", "(lambda x: torch.sigmoid(x))(")

SAVE = DECODER + """
import sys
model = Decoder().eval()
torch.jit.script(model).save('script.pt')
torch.save(model.state_dict(), 'state.pt')
torch.save(model, 'module.pt')
torch.export.save(torch.export.export(model, (torch.zeros(2, 8),), dynamic_shapes=[{0: torch.export.Dim('N', max=64)}]), 'free.pt2')
torch.export.save(torch.export.export(model, (torch.zeros(4, 8),)), 'fixed.pt2')
auto = torch.export.export(model, (torch.zeros(2, 8),), dynamic_shapes=[{0: torch.export.Dim.AUTO}])
torch.export.save(auto, 'auto.pt2')
class Counts(Decoder):
    def __init__(self):
        super().__init__()
        self.register_buffer('calls', torch.zeros(()))
    def forward(self, z):
        self.calls.add_(1)
        return super().forward(z) + self.calls
torch.export.save(torch.export.export(Counts().eval(), (torch.zeros(4, 8),)), 'counts.pt2')
"""

KERAS = """
import keras
noise = keras.Input((8,), name='noise')
label = keras.Input((), dtype='int32', name='label')
x = keras.layers.Add()([noise, keras.layers.Embedding(10, 8)(label)])
x = keras.layers.Dense(256, activation='tanh')(x)
model = keras.Model([noise, label], keras.layers.Reshape((16, 16, 1), name='image')(x))
model.save('model.keras')
model.save('model.h5')
model.export('saved', verbose=False)
"""


def yaml(folder):
    return (pathlib.Path(folder) / "model.yaml").read_text()


def test_torchscript_with_a_shape(driver, torch, tmp_path):
    torch(SAVE, tmp_path)
    said = driver("import", tmp_path / "script.pt", tmp_path / "Decoder", EXPORTER, "-", "z=float32[N,8]")
    text = yaml(tmp_path / "Decoder")
    assert "name: decoder\n" in text and "task: image-generation\n" in text
    assert "{name: z, input: z, dtype: float32, shape: [N, 8]}" in text
    assert "{name: result, kind: image, result: result, layout: CHW, range: [0, 1]}" in text
    assert "Guessed: a picture" in said
    assert (tmp_path / "Decoder/model.pt").read_bytes() == (tmp_path / "script.pt").read_bytes()
    said = driver("import", tmp_path / "script.pt", tmp_path / "again", EXPORTER, "-", fails=True)
    assert "--input 'z=float32[N" in said
    assert not (tmp_path / "again").exists()


def test_pickles_with_their_class(driver, torch, tmp_path):
    (tmp_path / "nets.py").write_text(DECODER)
    torch(SAVE.replace(DECODER, "from nets import *\n"), tmp_path)
    for name in ("state", "module"):
        said = driver("import", tmp_path / f"{name}.pt", tmp_path / name, EXPORTER, f"{tmp_path}/nets.py:Decoder", "z=float32[N,8]")
        assert "verified 0" in said
        assert "shape: [N, 3, 16, 16]" in yaml(tmp_path / name)
    assert "--class FILE:CLASS" in driver("import", tmp_path / "state.pt", tmp_path / "x", EXPORTER, "-", fails=True)
    said = driver("import", tmp_path / "state.pt", tmp_path / "x", EXPORTER, f"{tmp_path}/nets.py:Nothing", fails=True)
    assert "nets.py has no class Nothing" in said


def test_a_module_that_cannot_be_scripted_is_traced(driver, torch, tmp_path):
    (tmp_path / "nets.py").write_text(BRANCHES)
    torch("from nets import *\ntorch.save(Decoder().state_dict(), 'state.pt')", tmp_path)
    said = driver("import", tmp_path / "state.pt", tmp_path / "out", EXPORTER, f"{tmp_path}/nets.py:Decoder", "z=float32[N,8]")
    assert "the module could not be scripted (" in said and ", nets.py line 8), so it was traced" in said
    # Its results may have names.
    (tmp_path / "named.py").write_text(BRANCHES.replace("return ", "return {'low': z, 'image': ").replace("16, 16)", "16, 16)}"))
    driver("import", tmp_path / "state.pt", tmp_path / "named", EXPORTER, f"{tmp_path}/named.py:Decoder", "z=float32[N,8]")
    assert "name: image, dtype: float32, shape: [N, 3, 16, 16]" in yaml(tmp_path / "named")


DRAWS = """
import torch
class Draws(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)
    def forward(self, z):
        z = self.drop(z)
        if z.dim() > 1:
            z = z + torch.randn_like(z)
        return z
torch.jit.script(Draws().eval()).save('draws.pt')
torch.jit.script(torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)).eval()).save('drops.pt')
"""


def test_a_model_that_draws_its_own_numbers_is_told(driver, torch, tmp_path):
    torch(DRAWS, tmp_path)
    said = driver("import", tmp_path / "draws.pt", tmp_path / "draws", EXPORTER, "-", "z=float32[N,8]")
    assert "the model draws its own random numbers: torch.randn_like, save.py line 10. No seed" in said, said
    assert said.count("draws its own") == 1, "dropout does nothing in a model that is not trained"
    said = driver("import", tmp_path / "drops.pt", tmp_path / "drops", EXPORTER, "-", "input=float32[N,8]")
    assert "random" not in said, said


@pytest.mark.parametrize("file,said", [
    ("import torch\nnet = torch.nn.Linear(2, 2)\nnet(torch.zeros(1, 2)).sum().backward()\n",
     "--class: nets.py, line 3: RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn. The whole file is run: "
     'put what trains, reads or writes under `if __name__ == "__main__":`'),
    ("import torch\nimport neighbour\n", "--class: nets.py, line 2: ModuleNotFoundError: No module named 'neighbour'. Only this file is there"),
    ("import sys\nsys.exit()\n", "--class: nets.py, line 2: SystemExit: no words. The whole file is run"),
    ("class Decoder(:\n", "--class: nets.py, line 1: invalid syntax")])
def test_a_class_file_that_fails_says_where_and_what_helps(driver, tmp_path, file, said):
    with zipfile.ZipFile(tmp_path / "state.pt", "w") as archive:
        archive.writestr("state/data.pkl", pickle.dumps({}))
    (tmp_path / "nets.py").write_text(file)
    answer = driver("import", tmp_path / "state.pt", tmp_path / "x", EXPORTER, f"{tmp_path}/nets.py:Decoder", "z=float32[N,8]", fails=True)
    assert f"state.pt: {said}" in answer and answer.strip().count("\n") == 0, answer


def test_exported_programs_say_everything(driver, torch, tmp_path):
    torch(SAVE, tmp_path)
    driver("import", tmp_path / "free.pt2", tmp_path / "free", EXPORTER, "-")
    assert "model: model.pt2\n" in yaml(tmp_path / "free") and "sizes: [1]" in yaml(tmp_path / "free")
    said = driver("import", tmp_path / "free.pt2", tmp_path / "x", EXPORTER, "-", "z=float32[N,3]", fails=True)
    assert "--input says that z is float32[N,3]; the file says float32 of the shape ['batch', 8]" in said
    driver("import", tmp_path / "fixed.pt2", tmp_path / "fixed", EXPORTER, "-")
    assert "sizes: [4]" in yaml(tmp_path / "fixed")
    driver("import", tmp_path / "auto.pt2", tmp_path / "auto", EXPORTER, "-")
    assert "sizes: [2]" in yaml(tmp_path / "auto")  # Dim.AUTO says nothing of 1
    said = driver("import", tmp_path / "counts.pt2", tmp_path / "counts", EXPORTER, "-", fails=True)
    assert "changes its own calls from call to call: give such a state as an argument and a result" in said


def test_keras_and_saved_models(driver, tensorflow, tmp_path):
    tensorflow(KERAS, tmp_path)
    for source in ("model.keras", "model.h5", "saved"):
        folder = tmp_path / source.replace(".", "-").join(["from-", ""])
        said = driver("import", tmp_path / source, folder, EXPORTER, "-")
        text = yaml(folder)
        assert "engine: tensorflow\n" in text and "method: serving_default\n" in text
        assert "{name: label, input: label, dtype: int32, shape: [N]}" in text
        assert "layout: HWC, range: [-1, 1]" in text, text
        if source != "saved":
            assert float(said.split("verified ")[1]) < 1e-5
    (tmp_path / "lay.py").write_text("class Scale: pass\n")
    said = driver("import", tmp_path / "model.keras", tmp_path / "x", EXPORTER, f"{tmp_path}/lay.py:Scal", fails=True)
    assert "lay.py has no class Scal; it has Scale" in said


DICTS = """
import keras, tensorflow as tf
zeta, alpha = keras.Input((4,), name='zeta'), keras.Input((4,), name='alpha')
model = keras.Model({'zeta': zeta, 'alpha': alpha}, keras.layers.Subtract(name='difference')([zeta, alpha]))
model.save('dicts.keras')
model.save('dicts.h5')
"""
ASK = """
import tensorflow as tf
call = tf.saved_model.load(open('which').read()).signatures['serving_default']
assert call(zeta=tf.ones((1, 4)) * 5, alpha=tf.ones((1, 4)))['difference'].numpy().tolist() == [[4.0] * 4]
"""


def test_keras_models_of_named_inputs_are_fed_by_name(driver, tensorflow, tmp_path):
    """zeta comes before alpha where it was built and after it in the alphabet: their difference tells."""
    tensorflow(DICTS, tmp_path)
    for source in ("dicts.keras", "dicts.h5"):
        folder = tmp_path / source.replace(".", "-")
        said = driver("import", tmp_path / source, folder, EXPORTER, "-")
        assert float(said.split("verified ")[1]) < 1e-6
        (tmp_path / "which").write_text(str(folder / "saved_model"))
        tensorflow(ASK, tmp_path)


TEXT = """
import keras
tokens = keras.Input((None,), dtype='int32', name='tokens')
keras.Model(tokens, keras.layers.Dense(7)(keras.layers.Embedding(7, 3)(tokens))).save('text.h5')
picture = keras.Input((None, None, 3), name='picture')
keras.Model(picture, keras.layers.Conv2D(1, 3, padding='same', name='edges')(picture)).export('saved', verbose=False)
"""


def test_sizes_that_a_file_leaves_open_are_given(driver, tensorflow, tmp_path):
    tensorflow(TEXT, tmp_path)
    said = driver("import", tmp_path / "text.h5", tmp_path / "text", EXPORTER, "-", fails=True)
    assert "--input 'tokens=int32[N,…]'" in said and not (tmp_path / "text").exists()
    for wrong in ("tokens=int64[N,5]", "tokens=int32[N]", "tokens=int32[N,5,1]"):
        assert "the file says int32 of the shape (None, None)" in driver(
            "import", tmp_path / "text.h5", tmp_path / "text", EXPORTER, "-", wrong, fails=True)
    assert "there is no argument words; the arguments are tokens" in driver(
        "import", tmp_path / "text.h5", tmp_path / "text", EXPORTER, "-", "words=int32[N,5]", fails=True)
    said = driver("import", tmp_path / "text.h5", tmp_path / "text", EXPORTER, "-", "tokens=int32[N,5]")
    text = yaml(tmp_path / "text")
    assert "{name: tokens, input: tokens, dtype: int32, shape: [N, 5]}" in text and "shape: [N, 5, 7]" in text
    assert float(said.split("verified ")[1]) < 1e-6

    said = driver("import", tmp_path / "saved", tmp_path / "edges", EXPORTER, "-", fails=True)
    name = said.split("--input '")[1].split("=")[0]
    assert f"{name}=float32[N,…,…,3]" in said
    driver("import", tmp_path / "saved", tmp_path / "edges", EXPORTER, "-", f"{name}=float32[N,8,16,3]")
    assert "shape: [N, 8, 16, 3]" in yaml(tmp_path / "edges") and "shape: [N, 8, 16, 1]" in yaml(tmp_path / "edges")


def test_exported_programs_come_without_what_could_harm(driver, torch, tmp_path):
    torch(SAVE, tmp_path)
    with zipfile.ZipFile(tmp_path / "free.pt2") as old, zipfile.ZipFile(tmp_path / "evil.pt2", "w") as new:
        for entry in old.infolist():
            samples = b"cos\nsystem\n(S'touch hit'\ntR."
            new.writestr(entry.filename, samples if "sample_inputs" in entry.filename else old.read(entry))
    driver("import", tmp_path / "evil.pt2", tmp_path / "evil", EXPORTER, "-")  # its samples are not read


def test_a_pickle_that_attacks_reaches_nothing(driver, tmp_path):
    """The pickle runs in the sandbox: what it tries fails, and so does the import."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (tmp_path / "nets.py").write_text(
        f"""
import socket
found = []
for what in (lambda: socket.socket(), lambda: open({str(secret)!r}), lambda: open({str(tmp_path / "hit")!r}, "w"), lambda: open("/etc/shadow")):
    try:
        what()
        found.append("YES")
    except OSError:
        found.append("no")
raise RuntimeError(" ".join(found))
"""
    )
    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("evil/data.pkl", b"cos\nsystem\n(S'echo'\ntR.")
    said = driver("import", tmp_path / "evil.pt", tmp_path / "out", EXPORTER, f"{tmp_path}/nets.py:Evil", "z=float32[N,8]", fails=True)
    assert "RuntimeError: no no no no" in said
    assert not (tmp_path / "hit").exists() and not (tmp_path / "out").exists()
