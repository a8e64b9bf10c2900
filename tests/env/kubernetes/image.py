#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an image of one static program with buildah: nothing else is in it.

Usage: image.py PROGRAM NAME:TAG TAR, where TAR is what `ctr images import` and `skopeo copy docker-archive:` read.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

CONTAINERFILE = """FROM scratch
COPY {program} /{program}
USER 65532:65532
ENTRYPOINT ["/{program}"]
"""


def build(program, name, tar):
    """Builds in folders of its own, so that nothing of the machine's images is touched or left behind."""
    program, tar = pathlib.Path(program), pathlib.Path(tar)
    with tempfile.TemporaryDirectory(prefix="serin-image.") as folder:
        folder = pathlib.Path(folder)
        context = folder / "context"
        context.mkdir()
        shutil.copy(program, context)
        (context / "Containerfile").write_text(CONTAINERFILE.format(program=program.name))
        buildah = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
        tar.unlink(missing_ok=True)
        for command in (["build", "--isolation", "chroot", "--quiet", "--tag", name, str(context)],
                        ["push", "--quiet", name, f"docker-archive:{tar}:{name}"]):
            subprocess.run([*buildah, *command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    build(*sys.argv[1:])
