# SPDX-License-Identifier: Apache-2.0
"""A workload for a real cluster, and kubectl."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

ENV = pathlib.Path(__file__).parent.parent / "env/kubernetes"
CLUSTER = [sys.executable, str(ENV / "cluster.py")]
IMAGE = "localhost/serin-greeter:1"
SETTLES_WITHIN = 60  # seconds

GREETER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: greeter, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: greeter}}
  template:
    metadata: {labels: {app: greeter}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: greeter
        image: IMAGE
        imagePullPolicy: Never
        env: [{name: VERSION, value: v1}]
        ports: [{containerPort: 8080, name: http}]
        resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {cpu: 500m, memory: 64Mi}}
        securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, readOnlyRootFilesystem: true,
                          capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1, timeoutSeconds: 5}
        livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 2}
---
apiVersion: v1
kind: Service
metadata: {name: greeter, namespace: NAMESPACE}
spec:
  selector: {app: greeter}
  ports: [{port: 80, targetPort: http}]
"""


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def until(holds, what):
    """What holds returns, once that is true."""
    end = time.monotonic() + SETTLES_WITHIN
    while not (value := holds()):
        assert time.monotonic() < end, f"not within {SETTLES_WITHIN} s: {what}"
        time.sleep(0.2)
    return value


class Kubectl:
    """kubectl, where necessary through a prefix that leads into the cluster's network."""

    def __init__(self, prefix=()):
        self.prefix = list(prefix)

    def __call__(self, *words, **options):
        return run([*self.prefix, "kubectl", *words], **options)

    def get(self, *words):
        return json.loads(self("get", *words, "-o", "json"))

    def greet(self, namespace):
        """Deploys the greeter and waits until all of it is ready."""
        self("create", "namespace", namespace)
        self("apply", "-f", "-", input=GREETER.replace("NAMESPACE", namespace).replace("IMAGE", IMAGE))
        self("-n", namespace, "rollout", "status", "deployment/greeter", "--timeout=90s")


@pytest.fixture(scope="session")
def greeter_image(tmp_path_factory):
    """The greeter as buildah makes an image of it: a tar."""
    tar = tmp_path_factory.mktemp("image") / "greeter.tar"
    run([sys.executable, str(ENV / "image.py"), os.environ["SERIN_GREETER"], IMAGE, str(tar)])
    return tar
