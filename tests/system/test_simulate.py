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


JUDGED = """apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {name: prose}
spec:
  model: ./prose-v2
  rollout:
    interval: 10s
    stepWeight: 45
    analysis:
      scorers: [{name: judge, url: "http://127.0.0.1:9/score", sample: 50%}]
      metrics:
      - {name: errorRate, margin: 1%}
      - {name: quality, scorer: judge, margin: 10%}
"""


def test_a_world_says_how_a_scorer_of_the_users_scores(tmp_path):
    manifest, world = tmp_path / "m.yaml", tmp_path / "w.yaml"
    manifest.write_text(JUDGED)
    head = "apiVersion: serin.dev/v1alpha1\nkind: World\ntraffic: {rate: 200}\nhorizon: 10m\n"
    stable = "stable: {scorers: [{name: judge, mean: 80%, deviation: 0.2}]}\n"
    line = ("-f", manifest, "--world", world, "--runs", "10", "--json")

    def serin():
        return json.loads(simulate(*line).stdout)["rules"][0]

    world.write_text(head + stable)
    assert serin()["promoted"]["share"] == 1
    world.write_text(head + stable + "candidate: {scorers: [{name: judge, mean: 60%}]}\n")
    assert serin()["rolledBack"]["share"] == 1
    world.write_text(head)
    assert f"{world}:1:1: stable.scorers: judge is missing" in simulate(*line, code=2).stderr
    world.write_text(head + stable.replace("judge", "jugde"))
    assert f"{world}:5:27: stable.scorers[0].name: no metric of the manifest has the scorer jugde" in simulate(*line, code=2).stderr
