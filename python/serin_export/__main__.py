# SPDX-License-Identifier: Apache-2.0
"""The border: a job in, a report out. Whatever a foreign model does wrong becomes the report's `error`."""

import json
import pathlib
import sys
import traceback

from serin_export.probe import Refused


def convert(job):
    if job["kind"].startswith("torch"):
        from serin_export import torch_models

        return torch_models.convert(job)
    from serin_export import tensorflow_models

    return tensorflow_models.convert(job)


def main():
    path = pathlib.Path(sys.argv[1])
    job = json.loads(path.read_text())
    try:
        report = convert(job)
    except Refused as refused:
        report = {"error": str(refused)}
    except BaseException as error:  # a model may raise anything, SystemExit too
        traceback.print_exc()
        report = {"error": f"{type(error).__name__}: {error}"[:4000]}
    path.with_name("report.json").write_text(json.dumps(report))


main()
