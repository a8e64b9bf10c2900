# SPDX-License-Identifier: Apache-2.0
"""What the tests of `remote` packages share."""
import contextlib
import json
import os
import pathlib
import time

import openai

PACKAGES = pathlib.Path(__file__).parent / "packages"
VENVS = pathlib.Path(os.environ.get("SERIN_CACHE", pathlib.Path.home() / ".cache/serin")) / "venvs"


def openai_package(folder, url, more="", task="text-generation", model="prose"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.yaml").write_text(f"""format: serin.dev/package/v1
name: front
task: {task}
engine: remote
remote:
  protocol: openai
  url: {url}
  model: {model}
  timeout: 60s
{more}""")
    return folder


def lives(pid):
    with contextlib.suppress(FileNotFoundError):
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    return False


def eventually(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def error_of(body):
    return json.loads(body)["error"]


def reason(worker):
    status, _, body = worker.get("/health/ready")
    return None if status == 200 else json.loads(body).get("reason", "loading")


def client(worker):
    return openai.OpenAI(base_url=worker.url + "/v1", api_key="the client's own", max_retries=0)
