# SPDX-License-Identifier: Apache-2.0
"""A worker is shut in, and a package that is not what it says is refused: before anybody listens, or where only the bytes of a
file are others and nobody vouched for them, before it is ready."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from worker import SERIN, SLOW


@pytest.fixture
def package(tmp_path):
    return pathlib.Path(shutil.copytree(SLOW, tmp_path / "package"))


@pytest.fixture
def keys(tmp_path):
    """key.pem and its public.pem."""
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    public = subprocess.run(["openssl", "ec", "-in", key, "-pubout"], check=True, capture_output=True).stdout
    (tmp_path / "public.pem").write_bytes(public)
    return tmp_path


def refused(package, *options):
    """What a worker says that does not start."""
    ended = subprocess.run([SERIN, "serve", package, "--port", "0", *options], capture_output=True, text=True, timeout=60)
    assert ended.returncode not in (0, -6, -11), ended.stderr
    assert "listening" not in ended.stderr
    return ended.stderr


def test_every_thread_of_a_worker_is_shut_in(start):
    worker = start(SLOW).wait_ready()
    threads = list(pathlib.Path(f"/proc/{worker.process.pid}/task").iterdir())
    assert len(threads) > 2
    for thread in threads:
        status = (thread / "status").read_text()
        assert re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M), thread


def test_a_worker_reads_its_own_package_and_nothing_of_others(start, package, tmp_path):
    cache, state = tmp_path / "cache", tmp_path / "cache/state/mine"
    own = [package / "model.pt", state / "job", SERIN]
    others = [cache / place for place in (
        "state/other/videos/job.json", "packages/sha256-ab/model.pt", "compiled/ab/cd/model.so", "venvs/torch/bin/python")]
    for path in [state / "job", *others]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    worker = start(package, "--state", str(state), environment={
        "SERIN_CACHE": str(cache), "LD_PRELOAD": str(SERIN.parent / "libspy.so"), "SERIN_SPY": ":".join(map(str, own + others))})
    worker.wait_ready()
    seen = {line for line in worker.log if line.startswith("spy: ")}
    assert seen == {f"spy: {path}: opened\n" for path in own} | {f"spy: {path}: Permission denied\n" for path in others}


def test_without_the_sandbox_it_is_not(start):
    worker = start(SLOW, "--sandbox", "off").wait_ready()
    assert re.search(r"^Seccomp:\s+0$", pathlib.Path(f"/proc/{worker.process.pid}/status").read_text(), re.M)


def alter(file):
    """One bit in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_an_altered_byte_is_refused_before_the_worker_is_ready(package):
    alter(package / "model.pt")
    ended = subprocess.run([SERIN, "serve", package, "--port", "0"], capture_output=True, text=True, timeout=60)
    assert ended.returncode not in (0, -6, -11) and "model.pt: its SHA-256 is" in ended.stderr, ended.stderr
    assert "ready" not in ended.stderr


def test_an_altered_byte_is_refused_before_anything_is_loaded_where_somebody_vouches_or_nothing_shuts_it_in(package, keys):
    subprocess.run([SERIN, "package", "sign", package, "--key", keys / "key.pem"], check=True)
    digest = subprocess.run([SERIN, "package", "verify", package], check=True, capture_output=True, text=True).stdout.split()[0]
    alter(package / "model.pt")
    for options in (["--trust", keys / "public.pem"], ["--digest", digest], ["--sandbox", "off"]):
        assert "model.pt: its SHA-256 is" in refused(package, *options)


def test_a_longer_file_is_refused(package):
    with open(package / "model.pt", "ab") as file:
        file.write(b"x")
    assert "model.pt" in refused(package)


def test_a_file_that_is_not_listed_is_refused(package):
    (package / "more.bin").write_bytes(b"x")
    assert "more.bin" in refused(package)


def test_a_missing_file_is_refused(package):
    (package / "model.pt").unlink()
    assert "model.pt" in refused(package)


def test_a_link_is_refused(package):
    shutil.move(package / "model.pt", package.parent / "elsewhere.pt")
    os.symlink(package.parent / "elsewhere.pt", package / "model.pt")
    assert "model.pt" in refused(package)


@pytest.mark.parametrize("old,new,said", [
    ("path: model.pt,", "path: ../model.pt,", "../model.pt"), ("path: model.pt,", "path: /etc/passwd,", "/etc/passwd"),
    ("engine: torch", "engine: tosh", "engine"), ("name: slow", "name: Slow One", "name"), ("loop: {kind: once}", "loop: {kind: twice}", "kind"),
    ("method: forward", "method: backward", "backward"), ("result: y", "result: z", "z"), ("format: serin.dev/package/v1", "format: v9", "format")])
def test_a_manifest_that_is_wrong_is_refused(package, old, new, said):
    manifest = package / "model.yaml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    ended = subprocess.run([SERIN, "serve", package, "--port", "0"], capture_output=True, text=True, timeout=60)
    assert ended.returncode not in (0, -6, -11) and said in ended.stderr, ended.stderr


def test_a_package_that_is_not_there_is_refused(tmp_path):
    assert "nothing" in refused(tmp_path / "nothing")


def test_an_altered_program_is_refused_before_it_is_compiled(package):
    (package / "model.pt").rename(package / "model.pt2")
    manifest = package / "model.yaml"
    manifest.write_text(manifest.read_text().replace("model.pt", "model.pt2"))
    subprocess.run([SERIN, "package", "seal", package], check=True, capture_output=True)
    alter(package / "model.pt2")
    assert "model.pt2: its SHA-256 is" in refused(package)


def test_an_unsigned_package_is_refused_where_signatures_are_wanted(package, keys):
    assert "model.sig" in refused(package, "--trust", keys / "public.pem")
