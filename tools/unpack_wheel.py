#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unpacks the files of a wheel that match a pattern; group 1 of the pattern is where each goes.

Usage: unpack_wheel.py WHEEL FOLDER PATTERN...
"""
import pathlib
import re
import shutil
import sys
import zipfile

wheel, folder, patterns = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
with zipfile.ZipFile(wheel) as archive:
    for item in archive.infolist():
        match = next((m for p in patterns if (m := re.fullmatch(p, item.filename))), None)
        if match and not item.is_dir():
            target = folder / match.group(1)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(item) as source, open(target, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
