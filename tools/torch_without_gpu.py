#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes PyTorch's wheel usable from Python without its 4 GB of GPU libraries.

Usage: torch_without_gpu.py WHEEL SITE_PACKAGES

Unpacks the wheel without libtorch_cuda and its kin, and puts small shared objects in their place: they define the
symbols that the remaining libraries import. The functions do nothing and return
the address of zeros (false as a bool, a null as what it points to), which is what the start-up code needs:
torch.cuda.is_available() is false. Type information is real enough for pybind11 to print a name. Needs nm and a C compiler.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

LEFT_OUT = ("libtorch_cuda.so", "libtorch_cuda_linalg.so", "libtorch_nvshmem.so", "libcaffe2_nvrtc.so",
            "libtorch_global_deps.so")
# Libraries of other wheels that libtorch_python itself names.
FOREIGN = {"libcudnn.so.9": r"^cudnn", "libcufile.so.0": r"^cuFile"}


def symbols(library, kind):
    """Names of the dynamic symbols of one kind: --defined-only or --undefined-only."""
    out = subprocess.run(["nm", "-D", kind, library], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in out.stdout.splitlines() if line.strip()}


def assembly(names):
    """A definition for each name: a function, a type's name, or empty data."""
    lines = [".text", "serin_nothing: lea serin_zeros(%rip), %rax", "ret",
             ".bss", ".balign 4096", "serin_zeros: .zero 4096"]
    for name in sorted(names):
        if not name.startswith("_ZT"):
            lines += [f".globl {name}", f".set {name}, serin_nothing"]
    lines += [".section .data.rel.ro,\"aw\"", ".balign 16"]
    for name in sorted(n for n in names if n.startswith("_ZT")):
        lines += [f".globl {name}", f".type {name}, @object", f"{name}:"]
        if name.startswith("_ZTI"):
            lines += [".quad _ZTVN10__cxxabiv117__class_type_infoE+16", f".quad serin_name_{name}"]
        else:
            lines += [".zero 1024"]
        lines += [f".size {name}, . - {name}"]
    lines += [".section .rodata"]
    lines += [f'serin_name_{n}: .asciz "{n[4:]}"' for n in sorted(names) if n.startswith("_ZTI")]
    lines += ['.section .note.GNU-stack,"",@progbits']
    return "\n".join(lines) + "\n"


def stand_in(target, names, versioned=False):
    """Writes a shared object `target` that defines `names`, under a version of the library's own name if asked."""
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch) / "names.s"
        source.write_text(assembly(names))
        command = [shutil.which("clang-19") or "cc", "-shared", "-nostdlib", f"-Wl,-soname,{target.name}", "-o", target, source]
        if versioned:
            script = pathlib.Path(scratch) / "versions"
            script.write_text(f"{target.name} {{ global: {''.join(n + '; ' for n in sorted(names))}local: *; }};\n")
            command.append(f"-Wl,--version-script={script}")
        subprocess.run(command + ["-lstdc++"], check=True)


def main():
    wheel, site = sys.argv[1], pathlib.Path(sys.argv[2])
    site.mkdir(parents=True, exist_ok=True)
    lib = site / "torch/lib"
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as scratch:
        for item in archive.infolist():
            place = scratch if os.path.basename(item.filename) in LEFT_OUT else site
            path = archive.extract(item, place)
            if item.external_attr >> 16:
                os.chmod(path, item.external_attr >> 16 & 0o777)
        kept = [p for p in lib.iterdir() if ".so" in p.name]
        wanted = set().union(*(symbols(p, "--undefined-only") for p in kept))
        wanted -= set().union(*(symbols(p, "--defined-only") for p in kept))
        removed = [p for p in (pathlib.Path(scratch) / "torch/lib").iterdir()]
        gpu = set().union(*(symbols(p, "--defined-only") for p in removed))
        stand_in(lib / "libtorch_cuda.so", wanted & gpu)
        stand_in(lib / "libtorch_global_deps.so", set())
    for name, pattern in FOREIGN.items():
        names = {s for s in wanted if re.search(pattern, s)}
        stand_in(lib / name, names, versioned=bool(names))


main()
