# SPDX-License-Identifier: Apache-2.0
"""`serin operator` on a real API server, with the rights that it is installed with and no others: run beside
`run.py kubernetes-control-plane registry`. No node is there, so workers wait for one: what becomes of them is asked on a whole cluster."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest
from conftest import Kubectl, run, until

SERIN = os.environ["SERIN"]
REGISTRY = os.environ["SERIN_TEST_REGISTRY"]
EXAMPLE = str(pathlib.Path(__file__).parent.parent.parent / "examples/glyphs/package")
LEASE_LASTS = 15  # seconds
kubectl = Kubectl()

SERVICE = """
apiVersion: serin.dev/v1alpha1
kind: GenerativeService
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  model: oci://MODEL
  replicas: {min: 2}
  resources: {cpu: "1", memory: 1Gi}
"""


def serin(*words, **options):
    return run([SERIN, *words], **options)


class Operator:
    """A process beside the cluster, known to it as the account that it is installed with."""

    def __init__(self, folder, name):
        self.log = (folder / f"{name}.log").open("w+")
        kubeconfig = folder / f"{name}.kubeconfig"
        view = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
        token = kubectl("-n", "serin-system", "create", "token", "serin-operator", "--duration=1h").strip()
        view["users"] = [{"name": one["name"], "user": {"token": token}} for one in view["users"]]
        kubeconfig.write_text(json.dumps(view))
        self.process = subprocess.Popen(
            [SERIN, "operator", "--image", "localhost/serin:test", "--port", "0"], stderr=self.log,
            env=os.environ | {"KUBECONFIG": str(kubeconfig), "POD_NAME": name, "HOME": str(folder)})

    def said(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def port(self):
        def listening():
            for line in self.said().splitlines():
                if "listening" in line:
                    with contextlib.suppress(ValueError):
                        return int(json.loads(line)["port"]) if line.startswith("{") else int(line.split("port=")[1].split()[0])
            return None
        return until(listening, "the operator listens")

    def metrics(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port()}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)
        self.log.close()


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    objects = serin("render", "operator", "--image", "localhost/serin:test")
    for _ in range(2):  # again changes nothing
        kubectl("apply", "--server-side", "-f", "-", input=objects)
    kubectl("wait", "--for=condition=Established", "crd/generativeservices.serin.dev", "--timeout=60s")
    # The Deployment has no node to run on; the operator runs here.
    kubectl("-n", "serin-system", "scale", "deployment/serin-operator", "--replicas=0")
    for label in ("v1", "v2"):
        serin("package", "push", EXAMPLE, f"oci://{REGISTRY}/models/glyphs:{label}")


@pytest.fixture
def start(tmp_path):
    running = []

    def begin(name):
        running.append(Operator(tmp_path, name))
        return running[-1]
    yield begin
    for one in running:
        if one.process.poll() is None:
            one.end()


@pytest.fixture
def namespace():
    name = f"shop-{time.monotonic_ns()}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def apply(namespace, name="glyphs", model=f"{REGISTRY}/models/glyphs:v1", more=""):
    text = SERVICE.replace("NAMESPACE", namespace).replace("NAME", name).replace("MODEL", model) + more
    kubectl("apply", "-f", "-", input=text)


def status(namespace, name="glyphs"):
    return kubectl.get("-n", namespace, "gsvc", name).get("status", {})


def condition(namespace, type_, name="glyphs"):
    for one in status(namespace, name).get("conditions", []):
        if one["type"] == type_:
            return one
    return {"status": "none", "reason": "", "message": ""}


def names(namespace, kind):
    return sorted(one["metadata"]["name"] for one in kubectl.get("-n", namespace, kind)["items"])


def test_a_service_becomes_what_a_cluster_runs_and_says_what_it_waits_for(start, namespace):
    operator = start("one")
    apply(namespace)
    until(lambda: condition(namespace, "Accepted")["status"] == "True", "the manifest is accepted")
    version = until(lambda: [name for name in names(namespace, "deployments") if name.startswith("glyphs-v1-")],
                    "its first version is a Deployment")[0]
    assert "glyphs" in until(lambda: names(namespace, "services"), "it has a Service")
    deployment = kubectl.get("-n", namespace, "deployment", version)
    assert deployment["spec"]["replicas"] == 2
    owner = deployment["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("GenerativeService", "glyphs")
    assert deployment["metadata"]["annotations"]["serin.dev/package"].startswith("sha256:")
    assert status(namespace)["model"]["digest"] == deployment["metadata"]["annotations"]["serin.dev/package"]
    until(lambda: "0 of 2 workers of v1 are ready" in condition(namespace, "Ready")["message"], "it says what it waits for")
    # No scheduler runs here; these are its words.
    for pod in until(lambda: names(namespace, "pods"), "its workers are pods"):
        kubectl("-n", namespace, "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                            "message": "0/3 nodes are available: 3 Insufficient memory."}]}}))
    until(lambda: "3 Insufficient memory" in condition(namespace, "Ready")["message"], "it says that there is no room")
    assert kubectl("-n", namespace, "get", "gsvc", "glyphs", "--no-headers").split()[0] == "glyphs"
    until(lambda: "Created" in kubectl("-n", namespace, "events", "--for", "gsvc/glyphs"), "there is an Event of it")
    assert f'namespace="{namespace}"' in operator.metrics()
    assert "forbidden" not in operator.said()


def test_what_somebody_changes_by_hand_is_made_good(start, namespace):
    start("one")
    apply(namespace)
    version = until(lambda: [name for name in names(namespace, "deployments") if name.startswith("glyphs-v1-")],
                    "its first version is a Deployment")[0]
    kubectl("-n", namespace, "scale", f"deployment/{version}", "--replicas=7")
    until(lambda: kubectl.get("-n", namespace, "deployment", version)["spec"]["replicas"] == 2, "it has 2 replicas again")
    kubectl("-n", namespace, "delete", "deployment", version)
    until(lambda: version in names(namespace, "deployments"), "it is there again")


def test_a_manifest_that_is_wrong_is_answered_in_its_status(start, namespace):
    start("one")
    apply(namespace, model=f"{REGISTRY}/models/nothing:v1")
    until(lambda: condition(namespace, "Accepted")["reason"] == "ModelNotFound", "it says that there is no such package")
    apply(namespace)
    until(lambda: condition(namespace, "Accepted")["status"] == "True", "the mended one is accepted")


def test_the_next_operator_goes_on_where_one_was_killed(start, namespace):
    one = start("one")
    apply(namespace)
    until(lambda: condition(namespace, "Accepted")["status"] == "True", "the manifest is accepted")
    before = status(namespace)
    two = start("two")
    one.end(signal.SIGKILL)
    until(lambda: "serin_operator_leading 1" in two.metrics(), f"the other leads within {LEASE_LASTS} s or so")
    kubectl("-n", namespace, "patch", "gsvc", "glyphs", "--type=merge", "-p", '{"spec": {"replicas": {"min": 3}}}')
    version = [name for name in names(namespace, "deployments") if name.startswith("glyphs-v1-")][0]
    until(lambda: kubectl.get("-n", namespace, "deployment", version)["spec"]["replicas"] == 3, "it has 3 replicas")
    after = status(namespace)
    assert [one["label"] for one in after["versions"]] == ["v1"]
    assert after["model"] == before["model"]


def test_delete_leaves_nothing(start, namespace):
    start("one")
    apply(namespace)
    until(lambda: [name for name in names(namespace, "deployments") if name.startswith("glyphs-v1-")],
          "its first version is a Deployment")
    kubectl("-n", namespace, "delete", "gsvc", "glyphs", "--timeout=60s")
    ours = "app.kubernetes.io/name=glyphs"

    def left():
        kinds = "deployments,services,poddisruptionbudgets,networkpolicies,serviceaccounts,configmaps,pods"
        return kubectl("-n", namespace, "get", kinds, "-l", ours, "-o", "name").split()
    until(lambda: not left(), "nothing of it is left")
