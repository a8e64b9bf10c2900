# SPDX-License-Identifier: Apache-2.0
"""What a node sees of the machine, made from inside its new network, mount and process namespaces. All of it ends with them."""
import pathlib
import subprocess

import parts
import pki

# Where what runs here writes, and where in the state folder that lies.
COVERED = {"/var/lib/kubelet": "lib/kubelet", "/var/lib/containerd": "lib/containerd", "/var/lib/cni": "lib/cni",
           "/var/log": "log"}
# What the kubelet would set for the whole machine. It leaves alone what already has the value that it wants.
KERNEL = {"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
          "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000"}


def run(*command, text=None):
    done = subprocess.run(command, capture_output=True, text=True, input=text)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def make(state):
    make_own(state)
    make_network()
    shield_kernel(state)


def make_own(state):
    """Everything that runs here finds its usual folders empty and writes into the state folder. /run is in memory, so that
    sockets and mounts of another cluster are not met."""
    run("mount", "-t", "proc", "proc", "/proc")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for usual, own in COVERED.items():
        cover(state / own, usual)


def cover(own, usual):
    """A mount of its own, shared as Kubernetes asks, but not with the state folder: nothing is mounted there."""
    own.mkdir(parents=True, exist_ok=True)
    pathlib.Path(usual).mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", str(own), usual)
    run("mount", "--make-shared", usual)


def uncover():
    """With all that was mounted below, for whoever removes the state folder from here."""
    for usual in COVERED:
        subprocess.run(["umount", "--recursive", "--lazy", usual], capture_output=True)


def make_network():
    """One link with the node's address, and no way out: what is asked for elsewhere fails at once."""
    run("ip", "-batch", "-", text=f"""link set lo up
link add node0 type veth peer name node0peer
link set node0peer up
link set node0 up
address add {pki.NODE_ADDRESS}/24 dev node0
route add {parts.SERVICES} dev node0
""")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def shield_kernel(state):
    for name, value in KERNEL.items():
        own = state / "kernel" / name
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(value + "\n")
        run("mount", "--bind", str(own), f"/proc/sys/{name}")
