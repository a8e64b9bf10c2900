# SPDX-License-Identifier: Apache-2.0
"""Packages of this machine by name, as a user handles them."""
import json
import os
import shutil
import subprocess

import pytest

from worker import ROOT, SERIN

GLYPHS = ROOT / "examples/glyphs/package"


@pytest.fixture
def serin(tmp_path):
    """Runs `serin package …` with a registry of its own; gives its output, or its error as a string."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}

    def run(*words):
        done = subprocess.run([SERIN, "package", *map(str, words)], env=environment, capture_output=True, text=True,
                              timeout=100)
        return done.stdout if done.returncode == 0 else done.stderr
    return run


def names(serin):
    return [json.loads(line)["names"] for line in serin("list", "--json").splitlines()]


def test_a_package_has_names_until_they_are_taken(serin):
    digest = serin("push", GLYPHS, "glyphs:v1").splitlines()[0].split()[-1]
    assert digest in serin("list")
    assert serin("tag", "glyphs:v1", "glyphs:stable") == f"glyphs:stable {digest}\n"
    assert serin("tag", digest, "glyphs:again") == f"glyphs:again {digest}\n"
    assert names(serin) == [["glyphs:again", "glyphs:stable", "glyphs:v1"]]
    assert digest in serin("verify", "glyphs:stable")
    for name in ("again", "stable", "v1"):
        serin("untag", f"glyphs:{name}")
    assert names(serin) == [[]]
    assert "has no glyphs:v1" in serin("verify", "glyphs:v1")


def test_pruning_keeps_what_has_a_name_or_was_used_lately(serin):
    serin("push", GLYPHS, "glyphs:v1")
    assert serin("prune", "--older-than", "0s").startswith("0 packages")
    serin("untag", "glyphs:v1")
    assert serin("prune").startswith("0 packages")
    assert names(serin) == [[]]


def test_a_folder_that_is_written_later_changes_nothing(serin, tmp_path):
    folder = tmp_path / "glyphs"
    shutil.copytree(GLYPHS, folder)
    serin("push", folder, "glyphs:v1")
    with open(next(folder.glob("*.pt*")), "ab") as file:
        file.write(b"more")
    assert serin("verify", "glyphs:v1").startswith("sha256:")
    assert "glyphs" in serin("push", folder, "glyphs:v2")  # the error, which names the file
    assert names(serin) == [["glyphs:v1"]]


def test_a_name_goes_to_another_package_only_when_told(serin, tmp_path):
    serin("push", GLYPHS, "a:v1")
    other = ROOT / "examples/prose/package"
    assert "--replace" in serin("push", other, "a:v1")
    assert "package:" in serin("push", other, "a:v1", "--replace")
    assert "must be NAME:VERSION" in serin("pull", "a:v1", "nonsense")
    assert "package:" in serin("pull", "a:v1", "b:v1")
    assert ["a:v1", "b:v1"] in names(serin)
