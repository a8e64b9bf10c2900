#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fields of a manifest as docs/manifest.md shows them, made from docs/schema/generative-service.json.

Usage: manifest_table.py [--check]; writes the page's tables anew, or says that they are not what the schema says.
"""
import json
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- made by tools/manifest_table.py -->\n", "<!-- end -->\n"


def type_of(schema):
    if "enum" in schema:
        return " \\| ".join(map(str, schema["enum"]))
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    text = schema.get("format") or " or ".join(types)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return text + (f", {low} to {high}" if low is not None and high is not None else "")


def default_of(schema, required):
    if required:
        return "required"
    value = schema.get("default")
    return "" if value is None or isinstance(value, (dict, list)) else f"`{json.dumps(value).strip(chr(34))}`"


def rows(schema, path=""):
    """A row for each field, the fields of objects and of lists' items below it."""
    for name, field in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        yield f"| `{at}` | {type_of(field)} | {default_of(field, name in schema.get('required', []))} | {field['description']} |"
        yield from rows(field, at)
        yield from rows(field.get("items", {}), at + "[]")


def main():
    schema = json.loads((DOCS / "schema/generative-service.json").read_text())
    table = "\n".join(["| field | type | default | what |", "| --- | --- | --- | --- |", *rows(schema)]) + "\n"
    page = DOCS / "manifest.md"
    text = page.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    made = text[:begin] + table + text[end:]
    if "--check" not in sys.argv:
        page.write_text(made)
    elif made != text:
        sys.exit("docs/manifest.md is not what the schema says: run tools/manifest_table.py")


main()
