# SPDX-License-Identifier: Apache-2.0
"""Grafana reads the dashboards of deploy/grafana: its own schema, as the classes that Grafana generates from it, knows every
field of them, with such a value."""
import enum
import json
import pathlib
import sys
import types
import typing

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

FILES = sorted((pathlib.Path(__file__).resolve().parents[2] / "deploy/grafana").glob("*.json"))
register_default_plugins()


def wrong(value, wanted, where, module):
    """What is not of the type that the schema's classes name, with its place."""
    if isinstance(wanted, str):
        wanted = getattr(module, wanted)
    origin = typing.get_origin(wanted)
    if wanted is typing.Any or isinstance(wanted, typing.TypeVar):
        return
    if origin in (typing.Union, types.UnionType):
        found = [list(wrong(value, one, where, module)) for one in typing.get_args(wanted)]
        if all(found):
            yield from min(found, key=len)
    elif origin is typing.Literal:
        if value not in typing.get_args(wanted):
            yield f"{where}: {value!r} is none of {typing.get_args(wanted)}"
    elif origin is list:
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
        else:
            for i, one in enumerate(value):
                yield from wrong(one, typing.get_args(wanted)[0], f"{where}[{i}]", module)
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no object"
        else:
            for name, one in value.items():
                yield from wrong(one, typing.get_args(wanted)[1], f"{where}.{name}", module)
    elif wanted is float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"{where}: {value!r} is no number"
    elif isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        if value not in list(wanted):
            yield f"{where}: {value!r} is none of {[one.value for one in wanted]}"
    elif isinstance(wanted, type):
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool and wanted is not object):
            yield f"{where}: {value!r} is no {wanted.__name__}"
        elif hasattr(value, "to_json"):
            yield from wrong_fields(value, where)


def wrong_fields(thing, where):
    module = sys.modules[type(thing).__module__]
    for name, wanted in typing.get_type_hints(type(thing), vars(module)).items():
        yield from wrong(getattr(thing, name), wanted, f"{where}.{name}", module)


def test_there_are_dashboards():
    assert [file.stem for file in FILES] == ["serin-rollout", "serin-services"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_grafana_knows_every_field(file):
    written = json.loads(file.read_text())
    read = Dashboard.from_json(written)
    assert list(wrong_fields(read, "dashboard")) == []
    # A field that the schema does not have is dropped, one that it wants is added.
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == written


@pytest.mark.parametrize("change, word", [
    (lambda panel: panel.update(titel="x"), "titel"),
    (lambda panel: panel["gridPos"].update(w="12"), "no int"),
    (lambda panel: panel["fieldConfig"]["defaults"]["custom"].update(showPoints="sometimes"), "sometimes"),
    (lambda panel: panel["targets"][0].update(exprs="up"), "exprs"),
    (lambda panel: panel["options"]["legend"].update(placement="left"), "left"),
])
def test_what_grafana_does_not_know_is_found(change, word):
    written = json.loads(FILES[1].read_text())
    panel = next(panel for panel in written["panels"] if panel["type"] == "timeseries")
    change(panel)
    read = Dashboard.from_json(written)
    dropped = json.dumps(written) if json.loads(json.dumps(read, cls=JSONEncoder)) != written else ""
    assert word in " ".join(wrong_fields(read, "dashboard")) + dropped


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_lie_beside_each_other(file):
    taken = set()
    for panel in json.loads(file.read_text())["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
