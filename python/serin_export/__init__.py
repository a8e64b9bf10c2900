# SPDX-License-Identifier: Apache-2.0
"""Runs beside the framework that made a model, inside Serin's sandbox, for `serin package import`.

`python -m serin_export JOB.json` reads what to do, writes the model in the form that Serin loads into the job's output
folder and a report of its arguments and results beside the job. It knows nothing of packages.
"""
