# SPDX-License-Identifier: Apache-2.0
"""`cmake --install`: what is installed stands by itself, wherever it is moved to."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import worker
from worker import ROOT, SERIN


@pytest.fixture(scope="module")
def prefix():
    # Not pytest's folders, which it keeps: this is large.
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cmake", "--install", SERIN.parent, "--prefix", f"{folder}/made"], check=True, capture_output=True, timeout=300)
        yield pathlib.Path(shutil.move(f"{folder}/made", f"{folder}/moved"))


def test_every_part_is_in_its_place(prefix):
    for part in ("lib/serin/libserin_av.so", "share/man/man1/serin.1", "share/bash-completion/completions/serin",
                 "share/zsh/site-functions/_serin", "share/fish/vendor_completions.d/serin.fish",
                 "share/serin/python/serin_export/__main__.py"):
        assert (prefix / part).stat().st_size > 0
    assert (prefix / "share/doc/serin/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert os.access(prefix / "share/serin/tools/environment", os.X_OK)
    said = subprocess.run([prefix / "bin/serin", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"serin \d+\.\d+\.\d+\n", said.stdout)


def test_nothing_is_looked_for_where_it_was_built(prefix):
    ours = [prefix / "bin/serin", *(prefix / "lib/serin").glob("libserin_*.so")]
    assert len(ours) == 5
    for file in ours:
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        assert re.findall(r"runpath: \[(.*)\]", dynamic) in ([], ["$ORIGIN"]), file


@pytest.mark.parametrize("example,fields", [("glyphs", {"character": "S"}), ("spoken-digits", {"digit": "7"})])
def test_it_serves(prefix, example, fields, start, monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "SERIN", prefix / "bin/serin")
    served = start(ROOT / "examples" / example / "package", environment={"SERIN_CACHE": str(tmp_path)}).wait_ready()
    maps = pathlib.Path(f"/proc/{served.process.pid}/maps").read_text()
    assert {pathlib.Path(path).parent for path in re.findall(r"/\S*lib(?:serin|torch|c10|tensorflow)\S*", maps)} == {prefix / "lib/serin"}
    assert served.post("/generate", fields)[0] == 200
