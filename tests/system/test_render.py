# SPDX-License-Identifier: Apache-2.0
"""`serin render`: what a cluster is given is what is kept, what programs take and what the pages say."""
import base64
import json
import pathlib
import re
import subprocess

import pytest
import yaml

from worker import SERIN

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGEST = "sha256:4e91648df8d533e9a4daca342ed5be3276c16a68a9e489895c805a6662913482"
MANIFEST = """apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {name: storyteller, namespace: shop}
spec:
  model: oci://registry.example/storyteller:2
"""


def render(*words):
    return subprocess.run([SERIN, "render", *words], capture_output=True, text=True, timeout=30)


@pytest.fixture
def manifest(tmp_path):
    """A function that writes a manifest with these lines more, and gives its path."""
    def write(more=""):
        path = tmp_path / "service.yaml"
        path.write_text(MANIFEST + more)
        return path
    return write


def without_operator(path):
    made = render("kubernetes", "-f", path, "--without-operator", "--image", "registry.example/serin:1", "--digest", DIGEST)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def test_the_definition_is_the_one_that_is_kept():
    assert render("crd").stdout == (ROOT / "deploy/crd/generativeservices.yaml").read_text()


def test_a_service_is_its_manifest_once_a_cluster_would_take_it(manifest):
    made = render("kubernetes", "-f", manifest("  replicas: {min: 2}\n"))
    assert yaml.safe_load(made.stdout) == yaml.safe_load(MANIFEST + "  replicas: {min: 2}\n")


def test_what_a_cluster_would_not_take_is_told(manifest):
    path = manifest("  rollout: {stickyBy: user}\n  kubernetes: {router: istio}\n")
    refused = render("kubernetes", "-f", path)
    assert refused.returncode != 0 and refused.stdout == ""
    assert refused.stderr.startswith("serin: spec.rollout.stickyBy: not with router istio: ")
    path.write_text(MANIFEST.replace("oci://registry.example/storyteller:2", "storyteller:v2"))
    refused = render("kubernetes", "-f", path)
    assert refused.returncode == 2 and "on a cluster a worker can fetch oci://" in refused.stderr


def test_what_a_definition_would_refuse_is_told_before(manifest):
    path = manifest()
    path.write_text(MANIFEST.replace("name: storyteller", "name: serin-gateway"))
    refused = render("kubernetes", "-f", path)
    assert refused.returncode == 2 and refused.stderr.startswith("serin: metadata.name: serin-gateway is Serin's gateway")


def test_requests_of_less_than_a_second_have_one_to_end_in(manifest):
    objects = without_operator(manifest("  resilience: {timeout: 500ms, firstTokenTimeout: 400ms}\n"))
    args = [one["spec"]["template"]["spec"]["containers"][0]["args"] for one in objects if one["kind"] == "Deployment"]
    assert len(args) == 2 and all("--drain-within=1" in one for one in args)


@pytest.mark.parametrize("words, said", [
    (["--without-operator", "--image", "a"], "needs --digest"),
    (["--without-operator", "--image", "a", "--digest", "sha256:4e91"], "needs --digest"),
    (["--without-operator", "--digest", DIGEST], "needs --image"),
    (["--image", "a"], "--without-operator"),
])
def test_without_operator_it_has_to_be_said_what_runs(manifest, words, said):
    refused = render("kubernetes", "-f", manifest(), *words)
    assert refused.returncode == 2 and said in refused.stderr and refused.stdout == ""


@pytest.mark.parametrize("router", ["serin", "istio", "linkerd", "gatewayAPI"])
def test_without_operator_each_object_belongs_to_the_service_or_to_the_gateway(manifest, router):
    objects = without_operator(manifest(f"  kubernetes: {{router: {router}}}\n"))
    kinds = [one["kind"] for one in objects]
    assert kinds.count("Service") == 2 and "Deployment" in kinds
    for one in objects:
        assert one["metadata"]["namespace"] == "shop"
        assert one["metadata"]["name"].startswith(("storyteller", "serin-gateway")), one["metadata"]
        assert "ownerReferences" not in one["metadata"]


def test_istio_is_given_nothing_that_lint_would_find(manifest, tmp_path):
    objects = without_operator(manifest("  kubernetes: {router: istio}\n"))
    file = tmp_path / "istio.yaml"
    file.write_text("---\n".join(yaml.safe_dump(one) for one in objects))
    found = subprocess.run([SERIN, "lint", file], capture_output=True, text=True, timeout=30)
    assert (found.returncode, found.stdout) == (0, "")


def test_pods_say_to_our_programs_what_these_take(manifest):
    for one in without_operator(manifest("  resources: {gpu: 1}\n")):
        if one["kind"] != "Deployment":
            continue
        command, *words = one["spec"]["template"]["spec"]["containers"][0]["args"]
        text = subprocess.run([SERIN, command, "--help"], capture_output=True, text=True, timeout=30).stdout
        options = [word.split("=")[0] for word in words if word.startswith("--")]
        assert options
        for option in options:
            assert re.search(rf"{option}\b", text), f"{command} has no {option}"


def test_the_gateway_takes_its_configuration(manifest, tmp_path):
    secret = next(one for one in without_operator(manifest()) if one["kind"] == "Secret")
    file = tmp_path / "gateway.json"
    file.write_bytes(base64.b64decode(secret["data"]["gateway.json"]))
    assert json.loads(file.read_text())["services"][0]["split"]["stable"] == "v1"
    gateway = subprocess.Popen([SERIN, "gateway", "--config", file, "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert "listening" in gateway.stderr.readline()
    finally:
        gateway.terminate()
        assert gateway.wait(30) == 0


def test_the_page_has_every_field_that_is_refused():
    page = (ROOT / "docs/kubernetes-traffic.md").read_text()
    source = (ROOT / "src/platform/kubernetes/routers/refusals.cc").read_text()
    fields = set(re.findall(r'\{"((?:rollout|resilience|access)[A-Za-z0-9.]*)"', source))
    assert len(fields) > 30
    named = re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)))
    named = {part for one in named for part in one.split(":")[0].split(".")}
    for field in fields - after_mode(fields):
        name = field.split(".")[-1]
        stem = "latency*" if name.startswith("latency") else "successRate*" if name.startswith("successRate") else name
        assert stem in named, field


def after_mode(fields):
    """Fields of the service's circuit, which the page has as `mode` and what follows it."""
    schema = json.loads((ROOT / "docs/schema/generative-service.json").read_text())
    spec = schema["properties"]["spec"]["properties"]
    breaker = list(spec["resilience"]["properties"]["circuitBreaker"]["properties"])
    return {f"resilience.circuitBreaker.{name}" for name in breaker[breaker.index("mode") + 1:]} & fields
