# SPDX-License-Identifier: Apache-2.0
"""TorchScript, pickled modules and state_dicts."""

import pathlib
import re
import shutil
import sys

import torch

from serin_export import class_file
from serin_export.probe import Refused, check_dtype, describe, example, given_inputs, largest_difference

BATCHES = (2, 3)


def convert(job):
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    kind, source, output = job["kind"], job["source"], pathlib.Path(job["output"])
    if kind.startswith("torch_exported"):
        from serin_export import exported_programs

        work = exported_programs.compile if kind == "torch_exported_compile" else exported_programs.describe
        return work(job, source, output)
    warnings = []
    if kind == "torch_script":
        model = torch.jit.load(source, map_location="cpu").eval()
        names = [argument.name for argument in model.forward.schema.arguments[1:]]
        arguments = declared(job, names)
        shutil.copyfile(source, output / "model.pt")
        converted, difference = model, None
    else:
        model = unpickled(job, source)
        names = parameter_names(model)
        arguments = declared(job, names)
        named(run(model, arguments, BATCHES[0]))
        converted = scripted(model, arguments, warnings)
        converted.save(str(output / "model.pt"))
        converted = torch.jit.load(str(output / "model.pt"), map_location="cpu").eval()
        difference = 0.0
    report = probe(converted, arguments, BATCHES)
    warnings += [
        f"the model draws its own random numbers: {operation}{where}. No seed decides what it answers, and golden requests "
        "cannot be recorded; give it the noise as an argument"
        for operation, where in random_operations(converted)
    ]
    if difference is not None:
        for batch in BATCHES:
            inputs = examples(arguments, batch)
            difference = max(difference, largest_difference(named(converted(*inputs))[1], named(model(*inputs))[1]))
        report["verified"] = difference
    return {"model": "model.pt", "method": "forward", "batch": -1, "warnings": warnings, **report}


def load_class(job):
    """The class that --class names, where a pickle may look for it too."""
    module = class_file.load(job)
    for name, value in vars(module).items():
        if isinstance(value, type) and not hasattr(sys.modules["__main__"], name):
            setattr(sys.modules["__main__"], name, value)
    found = getattr(module, job["class_name"], None)
    if not isinstance(found, type) or not issubclass(found, torch.nn.Module):
        raise Refused(f"{pathlib.Path(job['class_file']).name} has no class {job['class_name']} that is a torch.nn.Module")
    return found


def unpickled(job, source):
    made_of = load_class(job)
    loaded = torch.load(source, map_location="cpu", weights_only=False)  # foreign code: we are in the sandbox
    if isinstance(loaded, torch.nn.Module):
        return loaded.eval()
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        raise Refused(f"holds a {type(loaded).__name__}, neither a module nor a state_dict")
    try:
        model = made_of()
    except TypeError as error:
        raise Refused(f"{job['class_name']}() cannot be made without arguments: {error}") from error
    try:
        model.load_state_dict(loaded)
    except RuntimeError as error:
        raise Refused(f"the weights do not fit {job['class_name']}: {error}") from error
    return model.eval()


def parameter_names(model):
    code = model.forward.__func__.__code__
    return list(code.co_varnames[1 : code.co_argcount])


def declared(job, names):
    """The arguments with the dtypes and shapes of --input: TorchScript knows neither."""
    given = given_inputs(job, names)
    arguments = [given[name] for name in names if name in given]
    missing = [name for name in names if name not in given]
    if not arguments or (missing and names[: len(arguments)] != [a["name"] for a in arguments]):
        options = " ".join(f"--input '{name}=float32[N,…]'" for name in missing)
        raise Refused(f"the file does not say the dtype and shape of {', '.join(missing)}: give them with {options}")
    return arguments


def examples(arguments, batch):
    tensors = []
    for place, argument in enumerate(arguments):
        values = torch.from_numpy(example(argument["dtype"], argument["shape"], batch, place))
        tensors.append(values.to(torch.bfloat16) if argument["dtype"] == "bfloat16" else values)
    return tensors


def scripted(model, arguments, warnings):
    try:
        return torch.jit.script(model)
    except Exception as error:  # TorchScript raises many kinds for what it cannot compile
        unscripted = compile_error(error)
    try:
        traced = torch.jit.trace(model, tuple(examples(arguments, 2)), check_trace=False, strict=False)
    except Exception as error:
        raise Refused(f"the module can be neither scripted ({unscripted}) nor traced ({first_line(error)})") from error
    warnings.append(
        f"the module could not be scripted ({unscripted}), so it was traced with a batch of 2: "
        "branches and loops are fixed as that batch took them"
    )
    return traced


def first_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(":")[:200]


def compile_error(error):
    """What TorchScript does not take, and the line of the model's code that has it."""
    return first_line(error) + line_of(str(error))


def line_of(text):
    place = re.search(r'File "([^"]+)", line (\d+)', text)
    return f", {pathlib.Path(place[1]).name} line {place[2]}" if place else ""


def random_operations(model):
    """Operations of TorchScript that draw numbers, as far as its graph shows them, each with the line that has it."""
    found = {}
    for node in nodes_of(model.forward.inlined_graph):
        if draws(node):
            found.setdefault((node.kind().replace("aten::", "torch."), line_of(node.sourceRange())))
    return list(found)


def nodes_of(block):
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from nodes_of(inner)


def draws(node):
    """As PyTorch's own table has it; of those that draw in training alone, or with a chance, where they do."""
    namespace, _, name = node.kind().partition("::")
    operation = getattr(torch.ops.aten, name, None) if namespace == "aten" else None
    if operation is None or not any(
        torch.Tag.nondeterministic_seeded in getattr(operation, overload).tags for overload in operation.overloads()
    ):
        return False
    arguments = [argument.name for argument in torch._C.parse_schema(node.schema()).arguments]
    given = {name: value.toIValue() for name, value in zip(arguments, node.inputs())}
    return all(given[switch] for switch in ("train", "training", "dropout_p") if switch in given)


def named(result):
    """Names and values of a tensor, a tuple of tensors or a dict of them."""
    if isinstance(result, torch.Tensor):
        return ["result"], [to_numpy(result)]
    if isinstance(result, (tuple, list)) and all(isinstance(one, torch.Tensor) for one in result):
        return [f"result{i}" for i in range(len(result))], [to_numpy(one) for one in result]
    if isinstance(result, dict) and all(isinstance(one, torch.Tensor) for one in result.values()):
        return list(result), [to_numpy(one) for one in result.values()]
    raise Refused(f"gives a {type(result).__name__}; a model must give a tensor, a tuple of tensors or a dict of tensors")


def to_numpy(tensor):
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()


def dtypes(result):
    values = [result] if isinstance(result, torch.Tensor) else list(result.values() if isinstance(result, dict) else result)
    return [check_dtype(str(value.dtype).removeprefix("torch."), "a result") for value in values]


def run(model, arguments, batch):
    """What the model gives for a batch of examples."""
    try:
        return model(*examples(arguments, batch))
    except Exception as error:  # a model may raise anything
        raise Refused(misfit(model, arguments, batch, error)) from error


def misfit(model, arguments, batch, error):
    """Why the model does not take the arguments as they are declared: the dtype of one of them, where another helps."""
    words = reason(error)
    for place, argument in enumerate(arguments):
        for dtype in ("float32", "int64", "int32", "float64", "float16", "bfloat16"):
            other = [*arguments[:place], {**argument, "dtype": dtype}, *arguments[place + 1 :]]
            if dtype != argument["dtype"] and runs(model, other, batch):
                return (
                    f"the model does not take {argument['name']} as {argument['dtype']}; it takes {dtype}: "
                    f"--input '{written(other[place])}'. PyTorch says: {words}"
                )
    given = ", ".join(written(argument) for argument in arguments)
    return f"the model does not run on {given}. PyTorch says: {words}"


def runs(model, arguments, batch):
    try:
        model(*examples(arguments, batch))
    except Exception:
        return False
    return True


def written(argument):
    """As --input takes it."""
    sizes = ",".join("N" if size == -1 else str(size) for size in argument["shape"])
    return f"{argument['name']}={argument['dtype']}[{sizes}]"


def reason(error):
    """The last line: TorchScript puts the traceback of the model's code before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    last = lines[-1].removeprefix("RuntimeError: ")
    return last if len(last) <= 300 else last[:300] + " …"


def probe(model, arguments, batches):
    small, large = [run(model, arguments, batch) for batch in batches]
    names, values = named(small)
    results = describe(names, values, named(large)[1], batches)
    for result, dtype in zip(results, dtypes(small), strict=True):
        result["dtype"] = dtype
    return {"arguments": arguments, "results": results}
