# SPDX-License-Identifier: Apache-2.0
"""A cluster comes and goes without a trace, whatever ends it; two of them do not meet."""
import os
import pathlib
import re
import signal
import subprocess

import pytest
from conftest import CLUSTER, Kubectl, run, until


def mark(state):
    """By what everything of a running cluster is known: its namespaces; in containers the control group."""
    first = (state / "pid").read_text()
    return {os.readlink(f"/proc/{first}/ns/{kind}") for kind in ("pid", "net", "mnt")}, (state / "cgroup").read_text()


def processes(of):
    """Those of a cluster and those in its network, which is there as long as one of them is."""
    namespaces, group = of
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            own = {os.readlink(process / "ns" / kind) for kind in ("pid", "net", "mnt")}
            if own & namespaces or f"/{group}/" in (process / "cgroup").read_text():
                found.append((process / "cmdline").read_bytes().split(b"\0")[0].decode())
        except OSError:
            pass  # ended meanwhile
    return found


def groups(of):
    """A cluster's own, in every hierarchy."""
    return list(pathlib.Path("/sys/fs/cgroup").glob(f"**/{of[1]}"))


def traces(folder):
    """What a cluster with its state below the folder could leave on the machine besides processes and groups. Others may be at
    work beside the test: their mounts and links are not looked at."""
    return {*(f"mount {line.split()[1]}" for line in open("/proc/self/mounts") if str(folder) in line),
            *(f"link {link}" for link in re.findall(r"^\d+: (node0\S*?)[:@]", run(["ip", "-oneline", "link"]), re.M)),
            *(f"{name} is {pathlib.Path('/proc/sys', name).read_text()}" for name in
              ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"))}


@pytest.fixture
def nothing_is_left(tmp_path):
    """Compares the machine before and after a test."""
    before = traces(tmp_path)
    yield
    until(lambda: traces(tmp_path) <= before, "the machine is as it was before")


def up(state, *options):
    run([*CLUSTER, "up", "--state", str(state), *options])
    return Kubectl([*CLUSTER, "exec", "--state", str(state), "--"])


def with_pods(state, greeter_image):
    kubectl = up(state)
    run([*CLUSTER, "load", "--state", str(state), str(greeter_image)])
    kubectl.greet("greetings")
    of = mark(state)
    assert processes(of).count("/greeter") == 2
    return of


def test_a_cluster_with_running_pods_goes_without_a_trace(tmp_path, greeter_image, nothing_is_left):
    state = tmp_path / "cluster"
    of = with_pods(state, greeter_image)
    run([*CLUSTER, "down", "--state", str(state)])
    assert processes(of) == groups(of) == []
    assert not state.exists()


def test_down_finds_what_a_killed_cluster_left(tmp_path, greeter_image, nothing_is_left):
    state = tmp_path / "cluster"
    of = with_pods(state, greeter_image)
    os.kill(int((state / "pid").read_text()), signal.SIGKILL)
    until(lambda: processes(of) == [], "the kernel has ended all that the first process held")
    assert groups(of)
    run([*CLUSTER, "down", "--state", str(state)])
    assert groups(of) == []
    assert not state.exists()


def test_a_cluster_ends_with_its_command_when_its_starter_is_killed(tmp_path, nothing_is_left):
    told = tmp_path / "told"
    command = ["sh", "-c", f"echo $SERIN_TEST_CLUSTER >{told}; exec sleep 300"]
    starter = subprocess.Popen([*CLUSTER, "run", "--control-plane-only", "--", *command],
                               env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        state = pathlib.Path(until(lambda: told.exists() and told.read_text().strip(), "the command runs"))
        of = mark(state)
    finally:
        starter.kill()
        starter.wait()
    until(lambda: not state.exists() and processes(of) == groups(of) == [], "the cluster ends by itself")


def test_two_clusters_do_not_meet(tmp_path, nothing_is_left):
    """Each at the same ports and addresses."""
    states = [tmp_path / name for name in ("one", "other")]
    kubectls = [up(state, "--control-plane-only") for state in states]
    kubectls[0]("create", "namespace", "only-here")
    assert "only-here" in kubectls[0]("get", "namespaces")
    assert "only-here" not in kubectls[1]("get", "namespaces")
    marks = [mark(state) for state in states]
    for state in states:
        run([*CLUSTER, "down", "--state", str(state)])
    assert [processes(of) + groups(of) for of in marks] == [[], []]


def test_a_part_that_does_not_start_is_named_with_what_it_said(tmp_path, nothing_is_left):
    cache = tmp_path / "cache"
    server = cache / "tools/kubebox/kube-apiserver"
    server.parent.mkdir(parents=True)
    server.write_text("#!/bin/sh\necho this is what I said\nexit 7\n")
    server.chmod(0o755)
    done = subprocess.run([*CLUSTER, "run", "--control-plane-only", "--", "true"], capture_output=True, text=True, timeout=100,
                          env={**os.environ, "SERIN_CACHE": str(cache), "TMPDIR": str(tmp_path)})
    assert done.returncode == 3
    assert "kube-apiserver ended with status 7; its log ends:\nthis is what I said" in done.stderr.replace("cluster: ", "")
    assert [path for path in tmp_path.iterdir() if path != cache] == []
