# SPDX-License-Identifier: Apache-2.0
"""`serin lint`, and that its page knows every rule."""
import pathlib
import re
import subprocess

from worker import SERIN

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFEST = """apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {name: a}
spec:
  model: a:v1
"""


def lint(path, *words):
    return subprocess.run([SERIN, "lint", path, *words], capture_output=True, text=True, timeout=30)


def test_the_defaults_pass_and_a_finding_fails(tmp_path):
    file = tmp_path / "m.yaml"
    file.write_text(MANIFEST)
    assert lint(file).returncode == 0
    file.write_text(MANIFEST + "  rollout: {dryRun: true}\n")
    found = lint(file)
    assert found.returncode == 1
    assert found.stdout.startswith(f"{file}:6:21: dry-run: spec.rollout.dryRun: ")
    assert found.stderr == "serin: 1 finding\n"


def test_the_stated_rate_is_used(tmp_path):
    file = tmp_path / "m.yaml"
    file.write_text(MANIFEST)
    found = lint(file, "--rate", "0.1")
    assert found.returncode == 1 and "undetectable-margin" in found.stdout


def test_what_cannot_be_read_is_2(tmp_path):
    assert lint(tmp_path / "none.yaml").returncode == 2
    file = tmp_path / "m.yaml"
    file.write_text("a: [\n")
    assert lint(file).returncode == 2


def test_the_page_has_every_rule():
    page = (ROOT / "docs" / "lint.md").read_text()
    for source in (ROOT / "src" / "control" / "lint").glob("*_rules.cc"):
        rules = re.findall(r'^ *\{"([a-z0-9-]+)", ', source.read_text().split("kRules[]")[1], re.M)
        assert len(rules) > 5
        for rule in rules:
            assert f"| `{rule}` |" in page, rule
