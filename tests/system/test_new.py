# SPDX-License-Identifier: Apache-2.0
"""`serin package new`, followed to its end: for every task and engine the skeleton, a model as its comments ask for, and a worker."""
import json
import subprocess

import pytest

from worker import SERIN, python_with

SHAPES = {"image-generation": (3, 32, 32), "audio-generation": (8000,), "video-generation": (16, 3, 32, 32)}
RESULTS = {"image-generation": "image", "audio-generation": "sound", "video-generation": "clip"}
MEDIA = {"image-generation": "image/png", "audio-generation": "audio/wav", "video-generation": "video/mp4", "text-generation": "text/plain",
         "inference": "application/json"}

TORCH = """
import math, sys, torch

class Media(torch.nn.Module):
    def __init__(self, shape: list[int]):
        super().__init__()
        self.shape = shape
        self.mix = torch.nn.Linear(17, math.prod(shape))

    def forward(self, z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        x = torch.cat([z, label[:, None].to(z.dtype)], 1)
        return torch.sigmoid(self.mix(x)).view([-1] + self.shape)

class Text(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(1000, 1000)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.embed(tokens)

class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(x)

torch.manual_seed(1)
shapes = {"image-generation": [3, 32, 32], "audio-generation": [8000], "video-generation": [16, 3, 32, 32]}
for task in sys.argv[1:]:
    module = Media(shapes[task]) if task in shapes else Text() if task == "text-generation" else Plain()
    torch.jit.script(module.eval()).save(f"{task}/model.pt")
"""

TENSORFLOW = """
import math, sys, numpy as np, tensorflow as tf

def saved(task, function):
    module = tf.Module()
    module.weights, function = function
    tf.saved_model.save(module, f"{task}/model", signatures={"serving_default": function})

def weight(*shape):
    return tf.Variable(np.random.default_rng(1).normal(size=shape).astype("float32"))

def media(result, shape):
    mix = weight(17, math.prod(shape))

    @tf.function(input_signature=[tf.TensorSpec([None, 16], tf.float32, name="z"), tf.TensorSpec([None], tf.int64, name="label")])
    def function(z, label):
        x = tf.concat([z, tf.cast(label, tf.float32)[:, None]], 1)
        return {result: tf.reshape(tf.sigmoid(tf.matmul(x, mix)), [-1] + shape)}
    return mix, function

def text():
    embed = weight(1000, 1000)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int64, name="tokens")])
    def function(tokens):
        return {"logits": tf.gather(embed, tokens)}
    return embed, function

def plain():
    mix = weight(4, 2)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def function(x):
        return {"y": tf.matmul(x, mix)}
    return mix, function

shapes = {"image-generation": ("image", [32, 32, 3]), "audio-generation": ("sound", [8000]), "video-generation": ("clip", [16, 32, 32, 3])}
for task in sys.argv[1:]:
    saved(task, media(*shapes[task]) if task in shapes else text() if task == "text-generation" else plain())
"""


def good(*words, **options):
    done = subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tokenizer():
    """A thousand words, whole: what the skeleton takes the tokenizer to be."""
    vocabulary = {"<s>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, 1000)}}
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<s>"}})


@pytest.fixture(scope="module", params=["torch", "tensorflow"])
def skeletons(request, tmp_path_factory):
    """All tasks of an engine, with models beside them; made in one run of the framework."""
    folder = tmp_path_factory.mktemp(request.param)
    for task in MEDIA:
        said = good("package", "new", task, "--task", task, "--engine", request.param, cwd=folder)
        assert "model.yaml" in said
        if task == "text-generation":
            (folder / task / "tokenizer.json").write_text(tokenizer())
    script = TORCH if request.param == "torch" else TENSORFLOW
    (folder / "save.py").write_text(script)  # TorchScript compiles from the source of a file
    subprocess.run([python_with(request.param), "save.py", *MEDIA], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


@pytest.mark.parametrize("task", MEDIA)
def test_a_skeleton_becomes_a_served_package(task, skeletons, start):
    package = skeletons / task
    digest = good("package", "seal", package, "--golden").strip()
    said = good("package", "verify", package, "--run", "--reproducible")
    assert said.startswith(digest) and "1 golden request gave what it must" in said and "bitwise" in said
    worker = start(package).wait_ready()
    request = {"seed": 7, "max_tokens": 4} if task == "text-generation" else {"seed": 7}
    status, headers, body = worker.post("/generate", request, {"Accept": MEDIA[task]})
    assert status == 200 and body, body
    assert headers["Content-Type"].startswith(MEDIA[task])
    assert headers["Serin-Reproducible"] == "bitwise"


def test_a_skeleton_without_its_model_says_what_is_missing(tmp_path):
    good("package", "new", tmp_path / "mine", "--task", "image-generation", "--engine", "torch")
    ended = subprocess.run([SERIN, "package", "seal", tmp_path / "mine"], capture_output=True, text=True)
    assert ended.returncode == 2 and "model.pt" in ended.stderr


@pytest.mark.parametrize("words,said", [
    (["mine", "--task", "poems", "--engine", "torch"], "text-generation"),
    (["mine", "--task", "inference", "--engine", "jax"], "tensorflow"),
    (["mine", "--engine", "torch"], "--task"),
    (["My Model", "--task", "inference", "--engine", "torch"], "my-model"),
    (["there", "--task", "inference", "--engine", "torch"], "exists already")])
def test_a_wrong_line_says_what_would_be_right(words, said, tmp_path):
    (tmp_path / "there").mkdir()
    ended = subprocess.run([SERIN, "package", "new", *words], capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode != 0 and said in ended.stderr, ended.stderr
    assert not (tmp_path / "mine").exists()
