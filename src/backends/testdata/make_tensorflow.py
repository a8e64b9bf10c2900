# SPDX-License-Identifier: Apache-2.0
"""Makes the SavedModels of contract_test.cc beside itself: python make_tensorflow.py (tensorflow-cpu 2.21)."""
import os
import pathlib
import shutil

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy
import keras
import tensorflow as tf

HERE = pathlib.Path(__file__).parent / "tensorflow"
shutil.rmtree(HERE, ignore_errors=True)
HERE.mkdir()
rng = numpy.random.default_rng(1)


def spec(*shape, dtype=tf.float32, name="x"):
    return tf.TensorSpec(shape, dtype, name=name)


class Affine(tf.Module):
    def __init__(self, nan=False):
        super().__init__()
        self.weight = tf.Variable((numpy.arange(12.0).reshape(3, 4).T / 10).astype("float32"), name="weight")
        self.bias = tf.Variable([1.0, float("nan") if nan else 2.0, 3.0], name="bias")

    @tf.function(input_signature=[spec(None, 4)])
    def forward(self, x):
        return {"y": x @ self.weight + self.bias}

    @tf.function(input_signature=[spec(None, 4)])
    def named(self, x):
        return {"twice": 2 * x, "sum": tf.reduce_sum(x, 1)}


class Counter(tf.Module):
    @tf.function(input_signature=[spec(None, 4), spec(None, 4, name="cache")])
    def forward(self, x, cache):
        total = cache + x
        return {"sum": tf.reduce_sum(total, 1), "cache": total}


class Function(tf.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = tf.function(lambda x: {"y": function(x)}, input_signature=[spec(None, 4)])


class Convolution(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(rng.normal(0, 0.2, (3, 3, 8, 6)).astype("float32"))
        self.scale = tf.Variable(rng.normal(1, 0.1, (6,)).astype("float32"))

    @tf.function(input_signature=[spec(None, 4, 4, 8)])
    def forward(self, x):
        return {"y": tf.sigmoid(tf.nn.silu(tf.nn.conv2d(x, self.kernel, 1, "SAME") * self.scale))}


def save(name, module, **signatures):
    signatures = {"serving_default": module.forward, **signatures}
    tf.saved_model.save(module, str(HERE / name), signatures=signatures)


def read(x):
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/passwd")), tf.float32)


def write(x):
    with tf.control_dependencies([tf.io.write_file("/tmp/serin-should-never-be", "x")]):
        return tf.identity(x)


def restore(x):
    return x + tf.raw_ops.RestoreV2(prefix="/tmp/other", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0]


affine = Affine()
save("affine", affine, named=affine.named)
save("counter", Counter())
save("identity", Function(tf.identity))
save("large", Function(lambda x: x + tf.reduce_max(tf.tile(x[:, :1], tf.constant([1, 1 << 46], tf.int64)), 1, keepdims=True)))
save("reads", Function(read))
save("saves", Function(write))
save("restores", Function(restore))
save("python", Function(lambda x: tf.ensure_shape(tf.py_function(lambda y: y, [x], tf.float32), (None, 4))))
save("nan", Affine(nan=True))
convolution = Convolution()
save("convolution", convolution)
x = rng.normal(size=(3, 4, 4, 8)).astype("float32")
numpy.save(HERE / "convolution.x.npy", x)
numpy.save(HERE / "convolution.y.npy", convolution.forward(x)["y"].numpy())

# What Keras 3 writes by itself: variables of its own kind, an endpoint "serve" and results that it names.
inputs = keras.Input((4,), name="x")
exported = keras.Model(inputs, keras.layers.Dense(3, activation="tanh", name="y")(inputs))
exported.set_weights([numpy.arange(12, dtype="float32").reshape(4, 3) / 10, numpy.ones(3, "float32")])
exported.export(str(HERE / "keras_export"), verbose=False)

shutil.copytree(HERE / "affine", HERE / "cut")
whole = (HERE / "cut" / "saved_model.pb").read_bytes()
(HERE / "cut" / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
for folder in HERE.iterdir():
    (folder / "fingerprint.pb").unlink(missing_ok=True) if folder.is_dir() else None
    if folder.is_dir() and not any((folder / "assets").iterdir()):
        (folder / "assets").rmdir()
