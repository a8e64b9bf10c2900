# SPDX-License-Identifier: Apache-2.0
"""What a model's results look like, found by running it on batches of two sizes."""

import math

import numpy as np


class Refused(Exception):
    """Said to the user as it is."""


DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")


def check_dtype(name, where):
    if name not in DTYPES:
        raise Refused(f"{where} has the dtype {name}, which packages do not know")
    return name


def given_inputs(job, names):
    """What --input says, by argument."""
    given = {one["name"]: one for one in job["inputs"]}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise Refused(f"there is no argument {', '.join(unknown)}; the arguments are {', '.join(names)}")
    return given


def check_given(given, dtype, sizes, said):
    """--input beside what the file says: its dtype, and its sizes after the batch, None where open (all of them: None)."""
    if given is None:
        return
    theirs = given["shape"][1:]
    fits = sizes is None or (len(theirs) == len(sizes) and all(size in (None, one) for size, one in zip(sizes, theirs)))
    if given["dtype"] != dtype or not fits:
        shown = ",".join(["N", *(str(size) for size in theirs)])
        raise Refused(f"--input says that {given['name']} is {given['dtype']}[{shown}]; the file says {dtype} of the shape {said}")


def example(dtype, shape, batch, seed):
    """Noise for floats; zeros for integers, which may be indices."""
    shape = [batch if size == -1 else size for size in shape]
    if dtype.startswith(("float", "bfloat")):
        values = np.random.default_rng(seed).standard_normal(shape)
        return values.astype("float32" if dtype == "bfloat16" else dtype)
    return np.zeros(shape, dtype)


def describe(names, small, large, batches):
    """Shapes with -1 for the batch, and the values' range, from the results for two batch sizes."""
    results = []
    for name, first, second in zip(names, small, large, strict=True):
        if first.ndim == 0 or first.ndim != second.ndim or (first.shape[0], second.shape[0]) != tuple(batches):
            raise Refused(f"the result {name} does not have the batch as its first dimension: {list(first.shape)}")
        if first.shape[1:] != second.shape[1:]:
            raise Refused(f"the shape of the result {name} depends on the batch: {list(first.shape)}, {list(second.shape)}")
        values = np.asarray(first, dtype="float64") if first.size else np.zeros(1)
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise Refused(f"the result {name} has values that are not finite")
        results.append({"name": name, "shape": [-1, *first.shape[1:]], "low": low, "high": high})
    return results


def largest_difference(ours, theirs):
    """Over all results; refuses a conversion that changed what the model computes."""
    largest = 0.0
    for first, second in zip(ours, theirs, strict=True):
        a, b = np.asarray(first, dtype="float64"), np.asarray(second, dtype="float64")
        if a.shape != b.shape:
            raise Refused(f"the converted model gives {list(a.shape)} where the original gives {list(b.shape)}")
        if a.size:
            largest = max(largest, float(np.abs(a - b).max()))
            if not np.allclose(a, b, rtol=1e-3, atol=1e-4):
                raise Refused(f"the converted model's results differ from the original's by up to {largest:g}")
    return largest
