# SPDX-License-Identifier: Apache-2.0
"""SavedModels, and Keras models (.h5, .keras), which become one."""

import pathlib
import re
import shutil

import tensorflow as tf

from serin_export import class_file
from serin_export.probe import Refused, check_dtype, check_given, describe, example, given_inputs, largest_difference

BATCHES = (2, 3)
SIGNATURE = "serving_default"


def convert(job):
    tf.random.set_seed(0)
    output = pathlib.Path(job["output"]) / "saved_model"
    if job["kind"] == "keras":
        original = load_keras(job)
        names = argument_names(original)
        export(original, names, output)
    else:
        original = None
        shutil.copytree(job["source"], output)
    loaded = tf.saved_model.load(str(output))
    method = choose(loaded.signatures)
    signature = loaded.signatures[method]
    specs = dict(ordered(signature))
    given = given_inputs(job, specs)
    arguments = [describe_argument(name, spec, given.get(name)) for name, spec in specs.items()]
    runs = [run(signature, arguments, batch) for batch in BATCHES]
    results = describe(list(runs[0]), *[[tensor.numpy() for tensor in one.values()] for one in runs], BATCHES)
    for result, tensor in zip(results, runs[0].values(), strict=True):
        result["dtype"] = check_dtype(tensor.dtype.name, result["name"])
    report = {"model": "saved_model", "method": method, "batch": -1, "warnings": [], "arguments": arguments, "results": results}
    if original is not None:
        report["verified"] = compare(original, names, arguments, runs)
    return report


def load_keras(job):
    import keras

    custom = {}
    if job.get("class_file"):
        module = class_file.load(job)
        custom = {name: value for name, value in vars(module).items() if isinstance(value, type)}
        if job["class_name"] not in custom:
            raise Refused(f"{pathlib.Path(job['class_file']).name} has no class {job['class_name']}; it has {', '.join(sorted(custom)) or 'none'}")
    # Lambda layers hold code: it runs here, in the sandbox, once, and becomes graph operations.
    try:
        model = keras.models.load_model(job["source"], compile=False, custom_objects=custom, safe_mode=False)
    except Exception as error:  # Keras raises many kinds
        raise Refused(unreadable(error, job.get("class_file"))) from error
    return getattr(model, "_functional", None) or model  # of a Sequential, which does not name its outputs itself


def unreadable(error, given):
    """Why Keras does not load a file. It puts every configuration around what failed before its reason."""
    reason = str(error).rsplit("Exception encountered: ", 1)[-1].strip()
    if "No model config found" in reason:
        return "holds weights and no model: save the model itself, with model.save()"
    if isinstance(error, OSError) and "open file" in reason:
        return f"is damaged or cut short: {reason}"
    unknown = re.match(r"(?:Could not locate class|Unknown layer:) '(?:[^']*>)?([^']+)'", reason)
    if unknown and given:
        return f"has the layer {unknown[1]}, a class that is not in {pathlib.Path(given).name}"
    if unknown:
        return f"has the layer {unknown[1]}, whose class Keras does not know: name the file that has it with --class FILE:{unknown[1]}"
    return f"Keras cannot load it: {reason if len(reason) <= 500 else reason[:500] + ' …'}"


def identifier(name, place, word):
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name.split("/")[-1].split(":")[0]).strip("_")
    return plain if plain and not plain[0].isdigit() else f"{word}{place}"


def unique(names):
    seen = set()
    for place, name in enumerate(names):
        yield name if name not in seen else f"{name}_{place}"
        seen.add(name)


# What Keras calls a model that nobody named.
UNNAMED = re.compile(r"(functional|sequential|model)(_\d+)?")


def result_names(model):
    """Each output after the layer that makes it: of a model inside that nobody named, after the layer in it."""
    names = [layer_name(tensor) or name for name, tensor in zip(model.output_names, model.outputs, strict=True)]
    return list(unique(identifier(name, i, "output") for i, name in enumerate(names)))


def layer_name(tensor):
    """None where the tensor has no history."""
    name = None
    while (history := getattr(tensor, "_keras_history", None)) is not None:
        layer, name = history.operation, history.operation.name
        inside = getattr(layer, "_functional", None) or layer
        if not UNNAMED.fullmatch(name) or not getattr(inside, "outputs", None):
            break
        tensor = inside.outputs[history.tensor_index]
    return name


def argument_names(model):
    if not model.inputs:
        raise Refused("the file does not say its inputs; save a model that was built with keras.Input")
    return list(unique(identifier(one.name, i, "input") for i, one in enumerate(model.inputs)))


def arranged(model, values):
    """Values in the order of model.inputs, as the model takes them: a tensor, a list, or the dict that it was built with."""
    import keras

    structure = getattr(model, "_inputs_struct", None)
    if structure is None:
        return values if len(values) > 1 else values[0]
    return keras.tree.pack_sequence_as(structure, values)


def export(model, names, folder):
    """One signature with a free batch, arguments and results by name."""
    outputs = result_names(model)

    def serve(**inputs):
        given = model(arranged(model, [inputs[name] for name in names]), training=False)
        return dict(zip(outputs, tf.nest.flatten(given), strict=True))

    specs = {
        name: tf.TensorSpec([None, *one.shape[1:]], one.dtype, name=name)
        for name, one in zip(names, model.inputs, strict=True)
    }
    function = tf.function(serve, autograph=False).get_concrete_function(**specs)
    holder = tf.Module()
    # TensorFlow's variables alone: beside Keras's own, which wrap them, each is saved twice, and the one that the function
    # reads is restored by Python's loader only.
    holder.weights = list(function.variables)
    holder.tables = [layer.lookup_table for layer in model._flatten_layers() if hasattr(layer, "lookup_table")]
    tf.saved_model.save(holder, str(folder), signatures={SIGNATURE: function})


def choose(signatures):
    names = [name for name in signatures if not name.startswith("__")]
    if SIGNATURE in names:
        return SIGNATURE
    if len(names) != 1:
        raise Refused(f"has no signature {SIGNATURE}; it has {', '.join(names) or 'none'}")
    return names[0]


def ordered(signature):
    return sorted(signature.structured_input_signature[1].items())


def describe_argument(name, spec, given):
    """As the file says, with the sizes of --input where it leaves them open."""
    dtype, shape = check_dtype(spec.dtype.name, name), spec.shape
    if shape.rank == 0:
        raise Refused(f"the argument {name} must have the batch as its first dimension")
    check_given(given, dtype, None if shape.rank is None else shape.as_list()[1:], shape)
    if given is not None:
        return given
    if shape.rank is None or None in shape.as_list()[1:]:
        sizes = ["…"] if shape.rank is None else ["…" if size is None else str(size) for size in shape.as_list()[1:]]
        raise Refused(
            f"the file leaves sizes of {name} open besides the batch, {shape}: give them with --input '{name}={dtype}[N,{','.join(sizes)}]'"
        )
    return {"name": name, "dtype": dtype, "shape": [-1, *shape.as_list()[1:]]}


def run(signature, arguments, batch):
    inputs = {
        one["name"]: tf.cast(example(one["dtype"], one["shape"], batch, place), one["dtype"])
        for place, one in enumerate(arguments)
    }
    return dict(sorted(signature(**inputs).items()))


def compare(original, names, arguments, runs):
    by_name = {one["name"]: (place, one) for place, one in enumerate(arguments)}
    largest = 0.0
    for batch, ours in zip(BATCHES, runs, strict=True):
        inputs = [tf.cast(example(by_name[n][1]["dtype"], by_name[n][1]["shape"], batch, by_name[n][0]), by_name[n][1]["dtype"]) for n in names]
        theirs = tf.nest.flatten(original(arranged(original, inputs), training=False))
        expected = dict(zip(result_names(original), theirs, strict=True))
        largest = max(largest, largest_difference([t.numpy() for t in ours.values()], [expected[n].numpy() for n in ours]))
    return largest
