# SPDX-License-Identifier: Apache-2.0
"""A cluster's own corner of the machine's control groups: /NAME in every hierarchy of version 1, or in the one of version 2.
The kubelet makes its pods' groups below it, so that clusters beside each other do not meet and nothing is left unfound."""
import os
import pathlib
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
GONE_WITHIN = 10  # seconds: a group is busy until the kernel has buried its last process


def hierarchies():
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [path for path in ROOT.iterdir() if not path.is_symlink() and (path / "cgroup.procs").exists()]


def make(name):
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
        if (hierarchy / "cgroup.controllers").exists():
            for group in (hierarchy, hierarchy / name):
                pass_on_controllers(group)


def pass_on_controllers(group):
    """In version 2 a group has a controller only where its parent passes it on. What is refused the machine keeps to itself."""
    for controller in (group / "cgroup.controllers").read_text().split():
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            pass


def remove(name):
    """Returns the groups that are still there, because a process lives in them."""
    until = time.monotonic() + GONE_WITHIN
    while True:
        left = [hierarchy / name for hierarchy in hierarchies() if not removed(hierarchy / name)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.1)


def removed(top):
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            return False
    return True
