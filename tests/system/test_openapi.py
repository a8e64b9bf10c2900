# SPDX-License-Identifier: Apache-2.0
"""schemathesis reads a worker's /openapi.json and asks what it says may be asked, and what it says may not: no answer is a
server's fault, and every answer is as the document says."""
import os
import pathlib
import subprocess
import sys

import pytest

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# OpenAI's own fields are wider than a package's of the same name (a list of prompts, say), and are OpenAI's to describe.
PARTS = [("--include-tag", "openai", "--checks", CHECKS),
         ("--exclude-tag", "openai", "--checks", CHECKS + ",negative_data_rejection")]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["glyphs", "prose", "spoken_digits"])
@pytest.mark.parametrize("part", PARTS, ids=["openai", "others"])
def test_a_worker_keeps_to_its_own_description(name, part, request, tmp_path):
    worker = request.getfixturevalue(name)
    # One thread: Python 3.11's parser, which hypothesis calls, may fail in two.
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    ran = subprocess.run(
        [program, "run", worker.url + "/openapi.json", *part, "--max-examples", "8", "--seed", "1",
         "--phases", "examples,coverage,fuzzing", "--request-timeout", "60", "--no-color",
         "--generation-database", "none"],
        capture_output=True, text=True, timeout=380, cwd=tmp_path, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-1000:]
    assert worker.post("/generate", {})[0] == 200
