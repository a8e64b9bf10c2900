#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style as a test: who includes whom, licence lines, the length of files, marks of unfinished work.

Usage: tidy.py ROOT; prints each offence with its place, exits 1 when there is one.
"""
import pathlib
import re
import subprocess
import sys

# What each folder under src/ may include, besides itself. docs/architecture.md draws it.
ALLOWED = {
    "base": set(),
    "telemetry": {"base", "net"},
    "net": {"base"},
    "media": {"base"},
    "objects": {"base", "net"},
    "model": {"base", "net", "objects"},
    "engine": {"base", "media", "model"},
    "backends": {"base", "engine", "model", "net"},
    "worker": {"base", "telemetry", "net", "media", "model", "engine", "rollout"},
    "rollout": {"base"},
    "gateway": {"base", "telemetry", "net", "model", "rollout"},
    "platform": {"base", "net", "model", "rollout", "gateway"},
    "control": {"base", "net", "rollout", "platform", "telemetry"},
    "cluster": {"base", "control", "net", "platform", "telemetry"},
}
# Libraries that one folder alone may see.
CONFINED = {
    r"<(boost/asio|boost/beast|nghttp2)": "net",
    r"<(curl/|pugixml)": "objects",
    r"<sqlite3": "base",
    r"<(torch|ATen|c10)/": "backends",
    r"<tensorflow/": "backends",
    r"<(libav\w+|png|jpeglib|sndfile|webp|turbojpeg)": "media",
}
LONGEST_FILE = 600
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")


def included_outside(root, header, folder):
    """Whether a header is part of what its folder offers to others."""
    users = subprocess.run(["git", "grep", "-l", f'"{header.removeprefix("src/")}"', "--", "src", "tests", "bench"],
                           cwd=root, capture_output=True, text=True).stdout.split()
    return any(not user.startswith(f"src/{folder}/") for user in users)


def include_offences(root, name, folder, lines):
    """Arrows between folders that the table does not have, and libraries seen where they may not be."""
    for number, line in enumerate(lines, 1):
        own = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
        if own and own.group(1) in ALLOWED and folder in ALLOWED:
            if own.group(1) != folder and own.group(1) not in ALLOWED[folder]:
                yield number, f"{folder} may not include {own.group(1)}"
        for pattern, only in CONFINED.items():
            if not re.match(r"\s*#\s*include\s+" + pattern, line):
                continue
            if folder != only:
                yield number, f"only {only} may see this library"
            elif name.endswith(".h") and included_outside(root, name, folder):
                yield number, f"others include this header: {only} keeps the library to itself"


def offences(root, name):
    text = (root / name).read_text(errors="replace")
    lines = text.splitlines()
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:3]):
        yield 1, "no SPDX line"
    if len(lines) > LONGEST_FILE:
        yield len(lines), f"longer than {LONGEST_FILE} lines: split it"
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            yield number, "unfinished work is an issue, not a comment"
    if name.startswith("src/"):
        yield from include_offences(root, name, name.split("/")[1], lines)


def main():
    root = pathlib.Path(sys.argv[1])
    names = subprocess.run(["git", "ls-files", "src", "text", "tests", "bench", "python", "tools", "examples"], cwd=root,
                           capture_output=True, text=True, check=True).stdout.split()
    names = [n for n in names if n.endswith((".h", ".cc", ".rs", ".py"))]
    found = [f"{name}:{number}: {what}" for name in names for number, what in offences(root, name)]
    print("\n".join(found) if found else f"{len(names)} files are tidy")
    sys.exit(1 if found else 0)


main()
