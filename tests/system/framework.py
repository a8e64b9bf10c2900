# SPDX-License-Identifier: Apache-2.0
"""A package's model in its framework's own Python: framework.py FOLDER.

Pickles come on standard input, model.yaml first and then arrays by argument, and for each call arrays by result go to
standard output.
"""
import pathlib
import pickle
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples"))
import sampling  # noqa: E402

manifest = pickle.load(sys.stdin.buffer)
run = sampling.OPENERS[manifest["engine"]](pathlib.Path(sys.argv[1]), manifest)
while True:
    try:
        arguments = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    pickle.dump(run(arguments), sys.stdout.buffer)
    sys.stdout.buffer.flush()
