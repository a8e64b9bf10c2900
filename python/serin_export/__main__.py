# SPDX-License-Identifier: Apache-2.0
"""The border: a job in, a report out. Whatever a foreign model does wrong becomes the report's `error`."""

import importlib.util
import json
import pathlib
import sys
import traceback


def missing(framework):
    """What this Python, which the user may have named, does not have."""
    return [name for name in (framework, "numpy") if importlib.util.find_spec(name) is None]


def convert(job):
    framework = "torch" if job["kind"].startswith("torch") else "tensorflow"
    if absent := missing(framework):
        return {"error": f"{sys.executable} has no {' and no '.join(absent)}: SERIN_PYTHON_{framework.upper()} must name a Python that has it"}
    from serin_export.probe import Refused

    try:
        if framework == "torch":
            from serin_export import torch_models

            return torch_models.convert(job)
        from serin_export import tensorflow_models

        return tensorflow_models.convert(job)
    except Refused as refused:
        return {"error": str(refused)}


def main():
    path = pathlib.Path(sys.argv[1])
    job = json.loads(path.read_text())
    try:
        report = convert(job)
    except BaseException as error:  # a model may raise anything, SystemExit too
        traceback.print_exc()
        report = {"error": f"{type(error).__name__}: {error}"[:4000]}
    path.with_name("report.json").write_text(json.dumps(report))


main()
