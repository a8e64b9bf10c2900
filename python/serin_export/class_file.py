# SPDX-License-Identifier: Apache-2.0
"""The Python file that --class names. It is run whole, as an import runs it, for the classes that it defines."""

import importlib.util
import pathlib
import sys
import traceback

from serin_export.probe import Refused


def load(job):
    """The file as a module, where a pickle finds it by its name too."""
    file = pathlib.Path(job["class_file"])
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the file may raise anything, and end by sys.exit()
        raise Refused(failure(file, error)) from error
    return module


def failure(file, error):
    """Where the file failed, why, and what helps."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"--class: {file.name}, line {error.lineno}: {error.msg}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    where = f"--class: {file.name}, line {lines[0]}" if lines else f"--class: {file.name}"
    said = f"{where}: {type(error).__name__}: {str(error).strip() or 'no words'}"
    if isinstance(error, ModuleNotFoundError):
        return f"{said}. Only this file is there, and what is installed beside the framework: put into it what the class needs"
    return f'{said}. The whole file is run: put what trains, reads or writes under `if __name__ == "__main__":`'
