# SPDX-License-Identifier: Apache-2.0
"""`serin up` and `serin rollout watch` on a terminal: pages that are drawn again and again, and what is left when they end."""
import contextlib
import json
import subprocess

import pytest

from platform_of_this_machine import alive
from terminal import ENTER, LEAVE, Terminal
from worker import SERIN, until

HELD = "{interval: 1h, analysis: {metrics: [{name: errorRate, margin: 30%}]}}"


def manifest(folder, name, model, more=""):
    path = folder / f"{name}.yaml"
    path.write_text(f"apiVersion: serin.dev/v1alpha1\nkind: GenerativeService\nmetadata: {{name: {name}}}\n"
                    f"spec:\n  model: {model}\n{more}")
    return path


@pytest.fixture
def terminal():
    """Runs a command on a terminal of its own: terminal("get", …); it ends with the test, however that ends."""
    with contextlib.ExitStack() as opened:
        yield lambda *words, **how: opened.enter_context(contextlib.closing(Terminal(*words, **how)))


def test_what_runs_is_seen_and_ctrl_c_ends_all_of_it(models, terminal, tmp_path, request):
    good = manifest(tmp_path, "seen", models.package("seen-1"))
    wrong = manifest(tmp_path, "wrong", "./none", "  rolout: {}\n")
    state = tmp_path / "state"
    request.addfinalizer(lambda: subprocess.run([SERIN, "down", "--state", state], capture_output=True, timeout=100))
    terminal = terminal("up", "--state", state, "--port", "0", "-f", good, "-f", wrong, columns=200)
    assert terminal.sees("seen      v1        stable"), terminal.text()
    assert terminal.sees("1/1     100 %"), terminal.text()
    assert terminal.sees("did you mean rollout?"), "what was wrong at the start stays in sight"
    assert terminal.sees("Serving  it is ready and gets the traffic"), terminal.page()
    page = terminal.page()
    assert page[0].startswith("serin ") and "Ctrl-C" in page[0]
    assert not any('"level"' in line for line in page), "the log is in a file meanwhile"
    assert "it is ready" in (state / "logs/control.log").read_text()

    terminal.resize(40, 6)
    assert terminal.sees("serin ")
    assert until(lambda: len(terminal.page()) <= 6 and max(map(len, terminal.page())) <= 40), terminal.page()

    workers = up_pids(state)
    terminal.press_ctrl_c()
    code, left = terminal.end()
    assert code == 0 and terminal.text().count(ENTER) == terminal.text().count(LEAVE) == 1
    assert "ends with everything" in left, left
    assert workers and not any(alive(pid) for pid in workers)


def up_pids(state):
    shown = json.loads(subprocess.run([SERIN, "get", "-o", "json", "--state", state], capture_output=True, check=True).stdout)
    return [replica["pid"] for service in shown["services"] for version in service["versions"] for replica in version["replicas"]]


def test_a_rollout_is_watched_with_its_metrics_and_its_lines_stay(up, models, terminal):
    up.apply("watched", models.package("watched-1"), HELD)
    assert up.serving("watched"), up.log()
    up.apply("watched", models.package("watched-2"), HELD)
    assert up.until(lambda: up.json("rollout", "status", "watched")["weight"] == 10)

    assert up.serin("up", "--detach", "--wait").returncode == 0, "the stable version serves meanwhile"

    left = terminal("rollout", "watch", "watched", "--state", up.state)
    assert left.sees("errorRate"), left.text()
    left.press_ctrl_c()
    code, lines = left.end()
    assert code == 1 and "v1 to v2, canary, 10 %" in lines and "goes on unwatched" in lines

    watched = terminal("rollout", "watch", "watched", "--state", up.state)
    assert watched.sees("HARMFUL")
    assert up.serin("rollout", "abort", "watched").returncode == 0
    code, lines = watched.end()
    assert code == 1 and "rolledBack" in lines and "METRIC" not in lines
    picture = terminal("generate", "watched", "--state", up.state)
    code, said = picture.end()
    assert code == 2 and "no terminal shows: name a file with -o" in said, said
    # Without a terminal there are lines and nothing else.
    plain = up.serin("rollout", "watch", "watched")
    assert plain.returncode == 1 and "\x1b" not in plain.stdout
