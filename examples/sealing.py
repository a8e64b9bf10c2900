# SPDX-License-Identifier: Apache-2.0
"""Writes a file's size and SHA-256 into model.yaml, so that a trained package can be loaded.

It changes the one line of `files` that names the file; `serin package seal` does the rest.
"""

import hashlib
import pathlib
import re


def record_file(package, name):
    """Updates the entry `- {path: NAME, size: ..., sha256: ...}` of package/model.yaml."""
    package = pathlib.Path(package)
    content = (package / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    entry = f"- {{path: {name}, size: {len(content)}, sha256: {digest}}}"
    manifest = package / "model.yaml"
    text, count = re.subn(rf"- \{{path: {re.escape(name)},[^}}]*\}}", entry, manifest.read_text())
    if count != 1:
        raise ValueError(f"{manifest} has {count} entries for {name}, not one")
    manifest.write_text(text)
