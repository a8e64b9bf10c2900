# SPDX-License-Identifier: Apache-2.0
"""The first process of a cluster's namespaces: starts the parts one after the other, buries orphans, and ends everything.

Usage: node.py STATE CGROUP control-plane|whole owned|free. cluster.py starts it, in new network, mount and process
namespaces, with its output a pipe: a line for each part that is ready, at last "ready", or what went wrong. STATE/pid holds
its process id as the machine sees it. It ends on SIGTERM, and, owned, when its standard input does, which is when its owner
is gone; then it removes STATE too. Where it is killed the kernel ends all that runs here; `cluster.py down` removes the rest.
"""
import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

import cgroups
import parts
import world

TAIL = 2000  # characters of a log in an error


class Ended(Exception):
    """Somebody wants the cluster to end."""


class Node:
    def __init__(self, state, owned):
        self.state, self.owned = state, owned
        self.running = {}  # name: process
        self.begun = time.monotonic()

    def start(self, part):
        with open(self.state / f"log/{part.name}.log", "w") as log:
            self.running[part.name] = subprocess.Popen(
                part.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.state,
                env={"PATH": parts.PATH, "HOME": str(self.state)})
        return part

    def wait(self, part):
        until = time.monotonic() + part.within
        while not part.ready():
            status = self.running[part.name].poll()
            if status is not None:
                raise RuntimeError(f"{part.name} ended with status {status}; {self.tail(part)}")
            if time.monotonic() > until:
                raise RuntimeError(f"{part.name} was not ready within {part.within} s; {self.tail(part)}")
            self.pause(0.05)
        print(f"{part.name} after {time.monotonic() - self.begun:.1f} s", flush=True)

    def tail(self, part):
        log = self.state / f"log/{part.name}.log"
        return f"its log ends:\n{log.read_text(errors='replace')[-TAIL:]}"

    def pause(self, seconds):
        """Sleeps, and notices meanwhile that the owner is gone."""
        readable, _, _ = select.select([0] if self.owned else [], [], [], seconds)
        if readable and not os.read(0, 1):
            raise Ended
        self.bury()

    def bury(self):
        """Orphans of the whole process namespace are children of its first process."""
        for process in self.running.values():
            process.poll()
        own = {process.pid for process in self.running.values()}
        while has_children() and (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
            if dead.si_pid in own:  # died since it was asked: next time
                return
            os.waitpid(dead.si_pid, 0)

    def load(self, image):
        """Gives the node an image, before anything runs that could want it."""
        done = subprocess.run(["ctr", "--namespace", "k8s.io", "images", "import", str(image)], capture_output=True, text=True,
                              timeout=60)
        if done.returncode:
            raise RuntimeError(f"containerd does not take {image}: {done.stderr.strip()}")

    def bring_up(self, cgroup, whole):
        state = self.state
        etcd = self.start(parts.etcd(state))
        runtime = self.start(parts.containerd(state)) if whole else None
        self.wait(etcd)
        server = self.start(parts.api_server(state))
        if whole:
            self.wait(runtime)
            self.load(parts.PAUSE)
        self.wait(server)
        # Only now: they end when the API server has not made its roles yet.
        rest = [parts.controller_manager(state)]
        if whole:
            rest += [parts.scheduler(state), parts.kubelet(state, cgroup), parts.proxy(state), parts.dns(state)]
        for part in rest:
            self.start(part)
        for part in rest:
            self.wait(part)
        print("ready", flush=True)

    def stay(self):
        """Until somebody wants the end. The starter reads no more; what there is to say goes into a log."""
        with open(self.state / "log/node.log", "w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        while True:
            self.pause(1)


def has_children():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    except ChildProcessError:
        return False


def end_everything(cgroup):
    """Nothing here has anything to save. Orphans come to this process too, so it has no child when nobody is left."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    while has_children():
        os.waitpid(-1, 0)
    for group in cgroups.remove(cgroup):
        print(f"{group} could not be removed")


def raise_ended(*_):
    raise Ended


def main():
    if os.getpid() != 1:
        sys.exit("node.py is the first process of new namespaces: cluster.py starts it")
    state, cgroup, whole = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "whole"
    node = Node(state, owned=sys.argv[4] == "owned")
    signal.signal(signal.SIGTERM, raise_ended)
    failed = False
    try:
        # /proc is still the machine's, so this is the number by which the machine knows this process.
        (state / "pid").write_text(os.readlink("/proc/self"))
        world.make(state)
        if whole:
            cgroups.make(cgroup)
        node.bring_up(cgroup, whole)
        node.stay()
    except Ended:
        pass
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        failed = True
        print(error, flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_everything(cgroup)
        if node.owned:
            world.uncover()
            shutil.rmtree(state, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
