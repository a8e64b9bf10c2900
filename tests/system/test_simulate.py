# SPDX-License-Identifier: Apache-2.0
"""`serin rollout simulate`: rehearsals of a manifest in a world."""
import json
import pathlib
import subprocess

import pytest

from worker import SERIN

WORLDS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "worlds"


def simulate(*words, code=0):
    run = subprocess.run([SERIN, "rollout", "simulate", *map(str, words)], capture_output=True, text=True, timeout=110)
    assert run.returncode == code, run.stderr
    return run


def rules(*words):
    found = json.loads(simulate("-f", WORLDS / "manifest.yaml", *words, "--json").stdout)
    return {rule["rule"]: rule for rule in found["rules"]}, found


def test_a_broken_candidate_is_rolled_back_and_others_take_longer():
    of, found = rules("--world", WORLDS / "broken.yaml", "--runs", "20")
    assert of["serin"]["rolledBack"]["share"] == 1
    assert of["serin"]["rolledBackSeconds"]["p95"] < 10
    assert of["Flagger, documented"]["rolledBackSeconds"]["p50"] > 60
    assert of["serin"]["badAnswersMean"] < of["Argo, documented"]["badAnswersMean"]
    assert 50 < found["waldRequests"] < 150


def test_the_same_seed_gives_the_same_table():
    line = ("-f", WORLDS / "manifest.yaml", "--world", WORLDS / "broken.yaml", "--runs", "5", "--seed", "3")
    table = simulate(*line).stdout
    assert table == simulate(*line).stdout
    assert "from seed 3" in table and "Wald's limit" in table
    assert [row.split()[0] for row in table.splitlines()[3:8]] == ["serin", "Flagger,", "Flagger,", "Argo,", "Argo,"]


@pytest.mark.parametrize("world", sorted(WORLDS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_world_that_ships_is_one(world):
    if world.name == "manifest.yaml":
        return
    text = world.read_text()
    assert "kind: World" in text and text.startswith("# ")
    of, _ = rules("--world", world, "--runs", "1")
    assert len(of) == 5


def test_what_is_wrong_with_a_world_is_said_with_its_place(tmp_path):
    world = tmp_path / "w.yaml"
    world.write_text("apiVersion: serin.dev/v1alpha1\nkind: World\ntraffic: {rat: 5}\n")
    error = simulate("-f", WORLDS / "manifest.yaml", "--world", world, code=2).stderr
    assert f"{world}:3:" in error and "rate" in error
    assert "there is no file" in simulate("-f", tmp_path / "none.yaml", "--world", world, code=2).stderr.lower()
