# SPDX-License-Identifier: Apache-2.0
"""What a service will ask of a cluster, asked of a real one: run beside `run.py kubernetes`."""
import contextlib
import os
import subprocess
import urllib.request

import pytest
from conftest import CLUSTER, Kubectl, run, until

NAMESPACE = "greetings"
kubectl = Kubectl()


def ask(address, path="/"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}{path}", timeout=10) as answer:
        return answer.read().decode()


def pods():
    """Those that are not on their way out."""
    return [pod for pod in kubectl.get("-n", NAMESPACE, "pods")["items"] if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture(scope="module", autouse=True)
def greeter(greeter_image):
    run([*CLUSTER, "load", "--state", os.environ["SERIN_TEST_CLUSTER"], str(greeter_image)])
    kubectl.greet(NAMESPACE)


def test_an_image_of_buildah_runs_and_becomes_ready():
    assert [all(status["ready"] for status in pod["status"]["containerStatuses"]) for pod in pods()] == [True, True]


def test_a_service_answers_with_every_pod_behind_it():
    address = kubectl.get("-n", NAMESPACE, "service", "greeter")["spec"]["clusterIP"]
    names = {f"v1 {pod['metadata']['name']}\n" for pod in pods()}
    heard = set()

    def all_have_answered():
        with contextlib.suppress(OSError):  # refused until the node's rules know the pods
            heard.add(ask(address))
        return heard == names
    until(all_have_answered, f"both of {names} answer")


def test_pods_find_services_by_name():
    pod = pods()[0]["status"]["podIP"]
    for name in ("greeter", "greeter.greetings.svc.cluster.local"):
        until(lambda: ask(f"{pod}:8080", f"/ask/{name}").startswith("v1 greeter-"), f"{name} leads to a pod")
    assert "not known" in ask(f"{pod}:8080", "/ask/nobody.greetings.svc.cluster.local")


def test_logs_are_read_through_the_api_server():
    pod = pods()[0]
    ask(f"{pod['status']['podIP']}:8080", "/something-to-find")
    name = pod["metadata"]["name"]
    until(lambda: "GET /something-to-find\n" in kubectl("-n", NAMESPACE, "logs", name), "the line is in the log")


def test_a_pod_that_falls_ill_is_restarted():
    pod = pods()[0]
    ask(f"{pod['status']['podIP']}:8080", "/ill")
    name = pod["metadata"]["name"]

    def recovered():
        status = kubectl.get("-n", NAMESPACE, "pod", name)["status"]["containerStatuses"][0]
        return status["restartCount"] == 1 and status["ready"]
    until(recovered, f"{name} is ready again after one restart")


def test_an_account_without_a_role_is_refused():
    token = kubectl("-n", NAMESPACE, "create", "token", "default").strip()
    stranger = ["kubectl", "--kubeconfig", "/dev/null", "--server", "https://127.0.0.1:6443", "--insecure-skip-tls-verify",
                "--token", token]
    done = subprocess.run([*stranger, "-n", NAMESPACE, "get", "secrets"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f'User "system:serviceaccount:{NAMESPACE}:default" cannot list resource "secrets"' in done.stderr


def test_what_is_deleted_is_gone():
    kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")
    left = kubectl("get", "pods,services,deployments,replicasets,endpointslices", "-A", "-o", "name").split()
    assert [name for name in left if "greeter" in name] == []
