#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes of one node on this machine, for tests: in network, mount, process and control groups of its own, so that
several run beside each other and none is seen from outside. `tools/setup --cluster` makes what it is made of.

Usage: cluster.py up --state DIR [--control-plane-only]    starts one; DIR is new or empty
       cluster.py exec --state DIR -- COMMAND…             runs a command in its network
       cluster.py load --state DIR TAR…                    gives its node images (docker-archive or OCI)
       cluster.py down --state DIR                         ends it and removes DIR, also what a killed one left
       cluster.py run [--control-plane-only] -- COMMAND…   all of it around one command; ends also when this process is killed

A control plane alone (etcd, API server, controller manager) has no node: pods stay pending, and take nothing of the machine.
A command finds KUBECONFIG, kubectl, helm, kustomize and kubeconform, and in SERIN_TEST_CLUSTER the state folder. Exits with
what the command exits with; 3 when the cluster does not come up. Logs lie in DIR/log.
"""
import argparse
import os
import pathlib
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import cgroups
import parts
import pki
import world

HERE = pathlib.Path(__file__).resolve().parent
ENDS_WITHIN = 60  # seconds
HIDDEN = ["/run", *world.COVERED]  # a node finds its own there


def say(text):
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def fail(text):
    say(text)
    sys.exit(3)


def start(state, control_plane_only, owned):
    """Returns the process that everything hangs on when the cluster is up."""
    begun = time.monotonic()
    check_programs(control_plane_only)
    state.mkdir(parents=True, exist_ok=True)
    if any(state.iterdir()) or any(state.is_relative_to(hidden) for hidden in HIDDEN):
        fail(f"{state} is not an empty folder outside of {', '.join(HIDDEN)}")
    cgroup = f"serin-cluster-{secrets.token_hex(3)}"
    (state / "cgroup").write_text(cgroup)
    pki.make(state / "pki")
    node = [sys.executable, str(HERE / "node.py"), str(state), cgroup, "control-plane" if control_plane_only else "whole",
            "owned" if owned else "free"]
    process = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", *node],
                               stdin=subprocess.PIPE if owned else subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    for line in process.stdout:
        if line == "ready\n":
            say(f"up in {time.monotonic() - begun:.1f} s")
            return process
        say(line.rstrip("\n"))
    process.wait()
    sys.exit(3)


def check_programs(control_plane_only):
    for needed in [parts.KUBERNETES] if control_plane_only else [parts.KUBERNETES, parts.TOOLS, parts.PAUSE]:
        if not needed.exists():
            fail(f"there is no {needed}; tools/setup --cluster makes it")


def first_process(state):
    """The process that ends a cluster when it ends; None when it is gone."""
    try:
        pid = int((state / "pid").read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(state).encode() in command else None  # else the number has gone to somebody else


def down(state):
    if not (state / "cgroup").exists():
        fail(f"there is no cluster in {state}")
    clear(state)


def clear(state):
    if pid := first_process(state):
        end(pid)
    if (state / "cgroup").exists():
        for group in cgroups.remove((state / "cgroup").read_text()):
            say(f"{group} could not be removed: a process lives in it")
    shutil.rmtree(state)


def end(pid):
    handle = os.pidfd_open(pid)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        signal.pidfd_send_signal(handle, sign)
        if select.select([handle], [], [], ENDS_WITHIN)[0]:
            break
    os.close(handle)


def inside(state, command, *more):
    pid = first_process(state)
    if not pid:
        fail(f"no cluster runs in {state}")
    return ["nsenter", "--target", str(pid), "--net", *more, "--", *command]


def environment(state):
    """kubectl keeps what it learns of a server under the server's address, which all clusters here share."""
    return {**os.environ, "KUBECONFIG": str(state / "pki/admin.kubeconfig"), "KUBECACHEDIR": str(state / "kubectl"),
            "PATH": f"{parts.KUBERNETES}:{parts.TOOLS}:{os.environ['PATH']}", "NO_PROXY": "*", "no_proxy": "*",
            "SERIN_TEST_CLUSTER": str(state)}


def load(state, images):
    for image in images:
        command = inside(state, ["ctr", "--namespace", "k8s.io", "images", "import", "-"], "--mount")
        with open(image, "rb") as tar:
            subprocess.run(command, stdin=tar, check=True, stdout=subprocess.DEVNULL)


def run(control_plane_only, command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    state = pathlib.Path(tempfile.mkdtemp(prefix="serin-cluster."))
    process = None
    try:
        process = start(state, control_plane_only, owned=True)
        # A command whose starter is killed would hold the network.
        ended_with_us = ["setpriv", "--pdeathsig", "TERM", *inside(state, command)]
        return subprocess.run(ended_with_us, env=environment(state)).returncode
    finally:
        if process:
            process.stdin.close()
            process.wait(ENDS_WITHIN)
        if state.exists():
            clear(state)


def arguments():
    """What stands before "--" is ours, what stands behind it is the command."""
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].split("\n\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("up", "exec", "load", "down", "run"):
        sub = actions.add_parser(action, usage=parser.usage)
        if action != "run":
            sub.add_argument("--state", type=lambda path: pathlib.Path(path).resolve(), required=True)
        if action in ("up", "run"):
            sub.add_argument("--control-plane-only", action="store_true")
        if action == "load":
            sub.add_argument("images", nargs="+")
    given = parser.parse_args(sys.argv[1:split])
    given.command = sys.argv[split + 1:]
    if bool(given.command) != (given.action in ("exec", "run")):
        parser.error("exec and run take a command behind --, the others do not")
    return given


def main():
    given = arguments()
    if os.geteuid() != 0:  # namespaces, mounts and control groups are root's
        os.execvp("sudo", ["sudo", "-E", f"SERIN_CACHE={parts.CACHE}", sys.executable, *sys.argv])
    match given.action:
        case "up":
            start(given.state, given.control_plane_only, owned=False)
            say(f"try {HERE / 'cluster.py'} exec --state {given.state} -- kubectl get nodes,pods -A")
        case "exec":
            os.execvpe("nsenter", inside(given.state, given.command), environment(given.state))
        case "load":
            load(given.state, given.images)
        case "down":
            down(given.state)
        case "run":
            sys.exit(run(given.control_plane_only, given.command))


main()
