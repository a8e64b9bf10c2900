# SPDX-License-Identifier: Apache-2.0
"""The control API over the network, with TLS and keys, as other people's programs use it: curl's like, the commands, and
schemathesis, which reads /openapi.json and asks what it says may be asked, and what it says may not."""
import hashlib
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from platform_of_this_machine import Up
from worker import ROOT, SERIN, until

CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
          "negative_data_rejection")


class Control:
    """A control plane on the network; a key's secret is its name."""

    def __init__(self, folder, localhost):
        self.keys, self.folder = folder / "control-keys.yaml", folder
        self.accept(eyes="[read]", ci="[read, write]")
        _, certificate, _, key = map(str, localhost.options)
        self.up = Up(options=["--control-address", "127.0.0.1:0", "--control-tls-certificate", certificate,
                              "--control-tls-key", key, "--control-keys", self.keys])
        self.url = self.up.control("/v1/status")["control"].replace("127.0.0.1", "localhost")
        self.authority = localhost.authority
        self.context = ssl.create_default_context(cafile=localhost.authority)

    def accept(self, **scopes):
        lines = [f"- {{name: {name}, hashes: [{hashlib.sha256(name.encode()).hexdigest()}], scopes: {scope}}}\n"
                 for name, scope in scopes.items()]
        self.keys.write_text("keys:\n" + "".join(lines))

    def ask(self, path, key=None, method="GET", body=None):
        request = urllib.request.Request(self.url + path, body, method=method,
                                         headers={"Authorization": f"Bearer {key}"} if key else {})
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]["code"]

    def serin(self, *words, key="ci", text=None, environment=None):
        file = self.folder / f"{key}.key"
        file.write_text(key + "\n")
        options = [] if environment else ["--server", self.url, "--key-file", file, "--ca-file", self.authority]
        return subprocess.run([SERIN, *words, *options], input=text, capture_output=True, text=True, timeout=100,
                              env={**os.environ, **(environment or {})})

    def audit(self):
        return [entry for entry in map(json.loads, self.up.log().splitlines()) if entry["message"].startswith("audit: ")]


@pytest.fixture(scope="module")
def control(tmp_path_factory, localhost):
    made = Control(tmp_path_factory.mktemp("control"), localhost)
    yield made
    made.up.close()


def manifest(name, model, more=""):
    return f"apiVersion: serin.dev/v1alpha1\nkind: GenerativeService\nmetadata: {{name: {name}}}\nspec:\n  model: {model}\n{more}"


def test_the_commands_do_over_the_network_what_they_do_here(control, models):
    applied = control.serin("apply", "-f", "-", text=manifest("far", models.package("far-1")))
    assert applied.stdout == "far created\n", applied.stderr
    assert until(lambda: json.loads(control.serin("get", "far", "-o", "json", key="eyes").stdout)["state"] == "Serving")
    assert "Serving" in control.serin("describe", "far", key="eyes").stdout
    assert "asked for by key ci" in control.serin("events", "far", key="eyes").stdout
    assert control.serin("logs", "far", key="eyes").stdout
    refused = control.serin("delete", "far", key="eyes")
    assert refused.returncode == 1 and "the key eyes may not change anything" in refused.stderr, refused.stderr
    assert control.serin("get", key="nobody").returncode == 1
    # Named once: in a file, or in the environment.
    config = control.folder / "config"
    (config / "serin").mkdir(parents=True)
    (config / "serin/client.yaml").write_text(f"server: {control.url}\nkeyFile: {control.folder / 'ci.key'}\n"
                                              f"caFile: {control.authority}\n")
    assert "far" in control.serin("get", environment={"XDG_CONFIG_HOME": config}).stdout
    named = {"SERIN_SERVER": control.url, "SERIN_KEY_FILE": str(control.folder / "ci.key"), "SSL_CERT_FILE": str(control.authority)}
    assert "far" in control.serin("get", environment=named).stdout
    other = subprocess.run([SERIN, "get", "--server", "https://localhost:1"], env={**os.environ, **named}, capture_output=True, text=True)
    assert other.returncode == 2 and "https://localhost:1 wants a key" in other.stderr  # that one's key is not sent there
    wrong = control.serin("get", environment={"SERIN_SERVER": "http://localhost:1", "SERIN_KEY_FILE": str(control.folder / "ci.key")})
    assert wrong.returncode == 2 and "https://HOST:PORT" in wrong.stderr
    assert control.serin("delete", "far").stdout == "far deleted\n"


def test_what_means_the_callers_machine_is_refused(control, models):
    relative = control.serin("apply", "-f", "-", text=manifest("near", "./near"))
    assert relative.returncode == 2 and "spec.model: ./near is meant from a folder that the control plane does not know" in relative.stderr
    command = control.serin("apply", "-f", "-", text=manifest("near", models.package("near-1"), "  notifications: [{name: x, command: [/bin/true]}]\n"))
    assert command.returncode == 1 and "over the network no command can be named" in command.stderr


def test_changes_and_refusals_are_in_the_log_and_keys_change_without_a_restart(control):
    assert control.ask("/v1/services", "eyes")[0] == 200
    assert control.ask("/v1/services") == (401, "invalid_api_key")
    assert control.ask("/v1/services/none", "eyes", "DELETE") == (403, "scope_missing")
    assert control.ask("/v1/services/none?dryRun=true", "ci", "DELETE")[0] == 400  # not a word of this operation
    assert control.ask("/v1/services/none", "ci", "DELETE")[0] == 404
    asked = [entry for entry in control.audit() if entry["message"] == "audit: asked"][-1]
    assert (asked["who"], asked["method"], asked["path"], asked["status"]) == ("key ci", "DELETE", "/v1/services/none", 404)
    refused = [entry for entry in control.audit() if entry["message"] == "audit: refused"]
    assert [entry["code"] for entry in refused[-2:]] == ["invalid_api_key", "scope_missing"]
    control.accept(others="[read]")
    assert until(lambda: control.ask("/v1/services", "others")[0] == 200)
    assert control.ask("/v1/services", "eyes") == (401, "invalid_api_key")
    control.accept(eyes="[read]", ci="[read, write]")
    assert until(lambda: control.ask("/v1/services", "ci")[0] == 200)


def test_it_is_not_there_without_tls_or_keys(tmp_path, localhost):
    for options in (["--control-address", "127.0.0.1:0"],
                    ["--control-address", "127.0.0.1:0", "--control-tls-certificate", localhost.options[1], "--control-tls-key", localhost.options[3]]):
        ran = subprocess.run([SERIN, "up", "--plain", "--state", tmp_path / "state", "--port", "0", *options], capture_output=True, text=True, timeout=100)
        assert ran.returncode == 2 and "with TLS and keys, or not at all" in ran.stderr, ran.stderr
        assert not (tmp_path / "state").exists()  # nothing was begun


# Half of the names that schemathesis makes up are that of a service that is there.
HOOKS = """
import schemathesis

@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if path_parameters and isinstance(path_parameters.get("name"), str) and len(path_parameters["name"]) % 2:
        path_parameters["name"] = "there"
    return path_parameters
"""


@pytest.mark.timeout(300)
def test_it_keeps_to_its_own_description(control, models, tmp_path):
    package = models.package("there-1")
    assert control.serin("apply", "-f", "-", text=manifest("there", package)).returncode == 0
    (tmp_path / "hooks.py").write_text(HOOKS)
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    ran = subprocess.run(
        [program, "run", control.url + "/openapi.json", "--header", "Authorization: Bearer ci", "--tls-verify", control.authority,
         "--checks", CHECKS, "--max-examples", "8", "--seed", "1", "--phases", "examples,coverage,fuzzing", "--exclude-path", "/v1/stop",
         "--request-timeout", "60", "--no-color", "--generation-database", "none"],
        capture_output=True, text=True, timeout=280, cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "localhost", "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)})
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-1000:]
    assert control.ask("/v1/status", "eyes")[0] == 200


def test_the_page_lists_what_the_description_has(control):
    document = control.ask("/openapi.json", "eyes")[1]
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    rows = re.findall(r"^\| `(GET|POST|DELETE) ([^`?]+)", (ROOT / "docs/control-api.md").read_text(), re.M)
    assert {(method, path.replace("NAME", "{name}")) for method, path in rows} == described
