# SPDX-License-Identifier: Apache-2.0
"""A model that was imported and edited as docs/importing.md says answers as the example that was packaged by hand."""
import re
import shutil
import subprocess

from worker import ROOT, SERIN

EXAMPLE = ROOT / "examples/blurbs"
ASK = {"prompt": "games:", "temperature": 0, "max_tokens": 16}


def good(*words):
    done = subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def documented():
    """The lines of model.yaml that the page changes, by their first words."""
    page = (ROOT / "docs/importing.md").read_text()
    block = re.search(r"### Text\n.*?```yaml\n(.*?)```", page, re.S)[1]
    return {part.split(":")[0]: part for part in re.split(r"^(?=\w)", block, flags=re.M) if part}


def test_a_keras_model_of_text_of_any_length(start, blurbs, tmp_path):
    folder = tmp_path / "mine"
    good("package", "import", EXAMPLE / "blurbs.h5", "-o", folder, "--input", "tokens=int32[N,64]")
    shutil.copy(EXAMPLE / "package/tokenizer.json", folder)
    edits = {"batching": "", **documented()}
    drafted = re.split(r"^(?=\w)", (folder / "model.yaml").read_text(), flags=re.M)
    (folder / "model.yaml").write_text("".join(edits.get(part.split(":")[0], part) for part in drafted))
    good("package", "seal", folder)
    imported = start(folder).wait_ready()
    status, _, text = imported.post("/generate", ASK)
    assert (status, text) == (200, blurbs.post("/generate", ASK)[2])


AFFINE = ROOT / "src/backends/testdata/torch/affine.pt"  # a TorchScript module of floats


def bad(*words):
    done = subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode != 0, done.stdout + done.stderr
    return done.stderr


def test_a_wrong_dtype_is_told_with_the_right_one(tmp_path):
    said = bad("package", "import", AFFINE, "-o", tmp_path / "mine", "--input", "x=int64[N,4]")
    assert "affine.pt: the model does not take x as int64; it takes float32: --input 'x=float32[N,4]'. PyTorch says: " in said, said
    assert "Traceback" not in said and said.count("\n") == 1
    assert not (tmp_path / "mine").exists()


def test_a_wrong_size_is_told_with_what_was_given(tmp_path):
    said = bad("package", "import", AFFINE, "-o", tmp_path / "mine", "--input", "x=float32[N,5]")
    assert "the model does not run on x=float32[N,5]. PyTorch says: " in said and said.count("\n") == 1, said


def test_a_wrong_dtype_of_a_savedmodel_is_told_with_the_right_one(tmp_path):
    said = bad("package", "import", ROOT / "examples/spoken-digits/package/model", "-o", tmp_path / "mine", "--input", "z=int64[N,6]")
    assert "--input says that z is int64[N,6]; the file says float32 of the shape (None, 6)" in said and said.count("\n") == 1, said


def test_a_package_that_declares_a_wrong_dtype_says_which_is_right(tmp_path):
    folder = shutil.copytree(ROOT / "examples/motion/package", tmp_path / "motion")
    manifest = folder / "model.yaml"
    manifest.write_text(manifest.read_text().replace("{name: noise, input: noise, dtype: float32", "{name: noise, input: noise, dtype: float64"))
    good("package", "seal", folder)
    said = bad("package", "verify", folder, "--run")
    assert "the model does not take the argument noise as float64, as the package declares it; it takes float32. PyTorch: " in said, said
    assert said.count("\n") == 1
