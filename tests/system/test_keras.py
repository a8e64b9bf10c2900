# SPDX-License-Identifier: Apache-2.0
"""Keras models (.keras, .h5): imported, run by Serin's engine, served with what Keras's own prediction gives."""
import json
import os
import re
import subprocess
import sys

import pytest

from worker import SERIN, python_with

# Each kind of state that a graph keeps apart from its operations: weights, moving averages, a table, a layer in a model in it.
# None of the variables is what its initialiser gives.
MAKE = """
import json, keras, numpy as np
from keras import layers

def decoder():
    z, ids = keras.Input((4,), name="z"), keras.Input((2,), dtype="int64", name="ids")
    words = layers.Flatten()(layers.Embedding(4, 2)(layers.IntegerLookup(vocabulary=[5, 7, 9])(ids)))
    grow = keras.Sequential([keras.Input((8,)), layers.Dense(48, "relu"), layers.BatchNormalization(), layers.Reshape((4, 4, 3))])
    image = layers.Conv2DTranspose(3, 3, 2, "same", activation="sigmoid", name="image")(grow(layers.Concatenate()([z, words])))
    return keras.Model([z, ids], image)

def sequence():
    return keras.Sequential([keras.Input((4,), name="z"), layers.Reshape((2, 2)), layers.GRU(5), layers.Dense(3)])

def nested():
    z = keras.Input((4,), name="z")
    inner = keras.Sequential([keras.Input((4,)), keras.Sequential([keras.Input((4,)), layers.Dense(3, name="score")])])
    named = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="judge")
    return keras.Model(z, [inner(z), named(z)])

noise = np.random.default_rng(0)
given = {"z": noise.normal(size=(3, 4)).astype("float32"), "ids": np.array([[5, 7], [9, 8], [7, 5]])}
expected = {}
for make in (nested, decoder, sequence):
    model = make()
    for variable in model.weights:
        variable.assign(noise.uniform(0.1, 0.9, variable.shape))
    model.save(make.__name__ + ".keras")
    model.save(make.__name__ + ".h5")
    inputs = [given[one.name] for one in model.inputs]
    predicted = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    expected[make.__name__] = np.concatenate([one.flatten() for one in (predicted if isinstance(predicted, list) else [predicted])]).tolist()

class Scale(layers.Layer):
    def call(self, x):
        return 2 * x

own = keras.Sequential([keras.Input((4,), name="z"), Scale()])
own.save("own.keras")
own.save("own.h5")
own.save_weights("own.weights.h5")

# Keras's variables wrap TensorFlow's: tracked by both, what the function reads is restored by Python's loader only.
import tensorflow as tf
twice = tf.Module()
twice.model = model
serve = tf.function(lambda z: {"result": model(z)}).get_concrete_function(tf.TensorSpec([None, 4], tf.float32, name="z"))
tf.saved_model.save(twice, "twice", signatures=serve)
json.dump({"given": {name: value.flatten().tolist() for name, value in given.items()}, "expected": expected}, open("truth.json", "w"))
"""


def serin(*words):
    done = subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=110)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    done = subprocess.run([python_with("tensorflow"), "-c", MAKE], cwd=folder, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("source", ["decoder.keras", "decoder.h5", "sequence.keras", "sequence.h5"])
def test_what_is_served_is_what_keras_predicts(models, start, source):
    package = models / source.replace(".", "-")
    code, said = serin("package", "import", models / source, "-o", package)
    assert code == 0, said
    code, said = serin("package", "verify", package, "--run")
    assert code == 0 and "1 golden request ran" in said, said

    # Import guesses noise; the test gives the tensor itself.
    manifest = package / "model.yaml"
    manifest.write_text(manifest.read_text().replace("{name: z, kind: noise, distribution: normal, shape: [4]}",
                                                     "{name: z, kind: tensor, dtype: float32, shape: [4], default: 0}"))
    code, said = serin("package", "seal", package)
    assert code == 0, said
    truth = json.loads((models / "truth.json").read_text())
    expected = truth["expected"][source.split(".")[0]]
    inputs = [{"name": "z", "shape": [3, 4], "datatype": "FP32", "data": truth["given"]["z"]}]
    if source.startswith("decoder"):
        inputs.append({"name": "ids", "shape": [3, 2], "datatype": "INT64", "data": truth["given"]["ids"]})
    worker = start(package).wait_ready()
    status, _, answer = worker.post(f"/v2/models/{package.name}/infer", {"inputs": inputs})
    assert status == 200, answer
    given = json.loads(answer)["outputs"][0]["data"]
    assert max(abs(a - b) for a, b in zip(given, expected, strict=True)) < 1e-5


@pytest.mark.parametrize("source", ["nested.keras", "nested.h5"])
def test_the_result_of_a_model_in_the_model_has_a_name_that_somebody_gave(models, source):
    package = models / source.replace(".", "-")
    code, said = serin("package", "import", models / source, "-o", package)
    assert code == 0, said
    results = re.search(r"^  results:\n((?:  - .*\n)+)", (package / "model.yaml").read_text(), re.M)[1]
    assert re.findall(r"name: (\w+)", results) == ["judge", "score"]


@pytest.mark.parametrize("source,said", [
    ("own.keras", "own.keras: has the layer Scale, whose class Keras does not know: name the file that has it with --class FILE:Scale\n"),
    ("own.h5", "own.h5: has the layer Scale, whose class Keras does not know: name the file that has it with --class FILE:Scale\n"),
    ("own.weights.h5", "own.weights.h5: holds weights and no model: save the model itself, with model.save()\n")])
def test_what_keras_cannot_load_is_said_with_what_helps(models, source, said):
    code, answer = serin("package", "import", models / source, "-o", models / "refused")
    assert code == 2 and answer.endswith(said) and answer.count("\n") == 1, answer


def test_a_python_without_the_framework_is_named(models):
    done = subprocess.run([SERIN, "package", "import", models / "own.h5", "-o", models / "refused"], capture_output=True, text=True, timeout=110,
                          env={**os.environ, "SERIN_PYTHON_TENSORFLOW": sys.executable})
    assert done.returncode == 2 and f"own.h5: {sys.executable} has no tensorflow" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith(": SERIN_PYTHON_TENSORFLOW must name a Python that has it\n")


def test_what_runs_in_python_alone_is_not_imported(models):
    code, said = serin("package", "import", models / "twice", "-o", models / "refused")
    assert code == 1 and "twice: the package made of it does not run: golden request 0: TensorFlow: " in said, said
    assert not (models / "refused").exists()
