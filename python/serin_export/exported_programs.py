# SPDX-License-Identifier: Apache-2.0
"""Programs that torch.export saved (.pt2): described for a package, and compiled with AOTInductor for this machine."""

import os
import pathlib
import shutil
import zipfile

import torch
import torch._inductor
from torch.export.pt2_archive._package import load_pt2
from torch.utils import _pytree

from serin_export.probe import Refused, check_dtype, check_given, given_inputs
from serin_export.torch_models import BATCHES, probe

# What the machine code depends on besides the program. A reader of Serin's cache must find the same code again, so
# nothing is taken from the machine's configuration of PyTorch.
OPTIONS = {
    "aot_inductor.package": False,  # one shared object with the weights in it
    "cpp_cache_precompile_headers": False,  # costs more than it saves in a folder that is thrown away
    "cpp.vec_isa_ok": True,  # the processor says what it has; trying each takes a Python with PyTorch of its own
    "max_autotune": False,
}


def load(source, name=None):
    """The program of that name; without one the only one, or "model". Its sample inputs are pickles: they stay unread."""
    without = pathlib.Path("program.pt2")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(without, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            with old.open(entry) as data, new.open(zipfile.ZipInfo(entry.filename), "w", force_zip64=True) as copy:
                if "/data/sample_inputs/" not in entry.filename:
                    shutil.copyfileobj(data, copy, 1 << 20)
    programs = load_pt2(str(without)).exported_programs
    without.unlink()
    if name is None:
        name = "model" if "model" in programs or len(programs) != 1 else next(iter(programs))
    if name not in programs:
        raise Refused(f"has no program {name}; it has {', '.join(programs) or 'none'}")
    return name, programs[name]


def placeholders(program):
    users = program.graph_signature.user_inputs
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in users]


def keeps_nothing(program):
    """The signature that says what the program writes; refused where that is state of its own."""
    signature = program.run_decompositions({}).graph_signature
    if signature.buffers_to_mutate:
        names = ", ".join(signature.buffers_to_mutate.values())
        raise Refused(f"changes its own {names} from call to call: give such a state as an argument and a result")
    return signature


def describe(job, source, output):
    """Kept as it is. Its own signature says everything; a batch that it fixes stays fixed."""
    name, program = load(source)
    keeps_nothing(program)
    arguments, fixed, low, high = [], None, 1, None
    for node in placeholders(program):
        value = node.meta["val"]
        if not isinstance(value, torch.Tensor):
            raise Refused(f"the argument {node.name} is no tensor; export a module that takes tensors only")
        first = value.shape[0] if value.ndim else None
        if first is None or not all(isinstance(size, int) for size in value.shape[1:]):
            raise Refused(f"the argument {node.name} must have the batch first and only that may vary: {list(value.shape)}")
        if isinstance(first, int):
            fixed = first
        else:
            bounds = program.range_constraints[first.node.expr]
            low, high = max(low, int(bounds.lower)), bounds.upper
        dtype = check_dtype(str(value.dtype).removeprefix("torch."), node.name)
        arguments.append({"name": node.name, "dtype": dtype, "shape": [-1, *value.shape[1:]]})
    given = given_inputs(job, [one["name"] for one in arguments])
    for one in arguments:
        said = ["batch" if fixed is None else fixed, *one["shape"][1:]]
        check_given(given.get(one["name"]), one["dtype"], one["shape"][1:], said)
    if fixed is not None:
        batches, batch = (fixed, fixed), fixed
    else:
        least = max(low, BATCHES[0])
        batches, batch = (least, least + 1 if high is None or high > least else least), -1
    report = probe(program.module(), arguments, batches)
    shutil.copyfile(source, pathlib.Path(output) / "model.pt2")
    method = "forward" if name == "model" else name
    return {"model": "model.pt2", "method": method, "batch": batch, "least_batch": low, "warnings": [], **report}


def compile(job, source, output):
    """output/model.so, and model.json beside it where operations are called by name."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise Refused("compiling an exported program needs a C++ compiler: apt-get install g++")
    if torch.__version__.split("+")[0] != job["torch"]:
        raise Refused(f"this Python has PyTorch {torch.__version__}, the worker runs {job['torch']}: the two must be the same")
    torch.set_num_threads(job["threads"])
    _, program = load(source, job["program"])
    inputs = placeholders(program)
    signature = keeps_nothing(program)
    written = set(signature.user_inputs_to_mutate.values())
    examples = [torch.zeros([hint(size) for size in node.meta["val"].shape], dtype=node.meta["val"].dtype) for node in inputs]
    arguments, keywords = _pytree.tree_unflatten(examples, program.call_spec.in_spec)
    options = OPTIONS | {"cpp.threads": job["threads"]}
    library = pathlib.Path(torch._inductor.aot_compile(program.module(check_guards=False), arguments, keywords, options=options))
    shutil.copyfile(library, pathlib.Path(output) / "model.so")
    calls = library.with_suffix(".json")
    if calls.exists():
        shutil.copyfile(calls, pathlib.Path(output) / "model.json")
    return {"written": [node.name in written for node in inputs]}


def hint(size):
    return size if isinstance(size, int) else size.node.hint
