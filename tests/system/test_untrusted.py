# SPDX-License-Identifier: Apache-2.0
"""Packages and archives by somebody who means no good: each row is refused by the real program, with a message that names
what is wrong, before the worker is ready and without a trace left behind."""
import io
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tarfile
import time
import zipfile

import pytest

from worker import ROOT, SERIN

DATA = ROOT / "src/backends/testdata"
SLOW = ROOT / "tests/system/packages/slow"
LINE = """format: serin.dev/package/v1
name: {name}
task: inference
engine: {engine}
model: {model}
inputs:
- {{name: x, kind: tensor, dtype: float32, shape: [{wide}], default: 1}}
call:
  method: {method}
  arguments:
  - {{name: x, input: x, dtype: float32, shape: [N, {wide}]}}
  results:
  - {{name: {result}, dtype: float32, shape: [N, {out}]}}
loop: {{kind: once}}
outputs:
- {{name: y, kind: tensor, result: {result}}}
golden:
- request: {{seed: 1}}
"""


def run(*words, timeout=60):
    return subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=timeout)


def refused(package, *options):
    """What a worker says that does not become ready: an end of its own making, with a message."""
    ended = run("serve", package, "--port", "0", "--log-format", "json", *options)
    assert ended.returncode in (1, 2), f"{ended.returncode}: {ended.stderr}"
    assert '"ready"' not in ended.stderr
    (said,) = [line for line in ended.stderr.splitlines() if line.startswith("serin: ")]
    return said


def sealed(folder):
    done = run("package", "seal", folder)
    assert done.returncode == 0, done.stderr
    return folder


def torch_package(tmp_path, model, wide=4, out=4):
    folder = tmp_path / "package"
    folder.mkdir()
    shutil.copy(DATA / "torch" / model, folder / "model.pt")
    (folder / "model.yaml").write_text(
        LINE.format(name="package", engine="torch", model="model.pt", method="forward", result="y", wide=wide, out=out))
    return sealed(folder)


def tensorflow_package(tmp_path, model, out=4):
    folder = tmp_path / "package"
    folder.mkdir()
    shutil.copytree(DATA / "tensorflow" / model, folder / "model")
    (folder / "model.yaml").write_text(
        LINE.format(name="package", engine="tensorflow", model="model", method="serving_default", result="y", wide=4, out=out))
    return sealed(folder)


@pytest.fixture
def package(tmp_path):
    return pathlib.Path(shutil.copytree(SLOW, tmp_path / "package"))


# --- the folder ---

def swap_for_link(package):
    os.rename(package / "model.pt", package.parent / "model.pt")
    os.symlink(package.parent / "model.pt", package / "model.pt")


def swap_for_pipe(package):
    os.remove(package / "model.pt")
    os.mkfifo(package / "model.pt")


def add_socket(package):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(package / "s"))


def link_to_another(package):
    """A hard link is a file like any other: it has the listed bytes, or it is refused."""
    os.remove(package / "model.pt")
    os.link(DATA / "torch/identity.pt", package / "model.pt")


def giant(package):
    os.truncate(package / "model.pt", 1 << 40)
    text = (package / "model.yaml").read_text()
    (package / "model.yaml").write_text(text.replace("size: 2413", f"size: {1 << 40}"))


def replace(old, new):
    def change(package):
        text = (package / "model.yaml").read_text()
        assert old in text
        (package / "model.yaml").write_text(text.replace(old, new))

    return change


FOLDERS = {
    "a link in the place of a file": (swap_for_link, "model.pt: is a symbolic link"),
    "a link to the whole of the machine": (lambda p: os.symlink("/", p / "golden"), "golden: is a symbolic link"),
    "a pipe": (swap_for_pipe, "model.pt: is a pipe"),
    "a socket": (add_socket, "s: is a socket"),
    "a hard link to other bytes": (link_to_another, "model.pt: has 1730 bytes; model.yaml says 2413"),
    "a giant file of holes": (giant, "lie on the disk; a file of holes is no model"),
    "a folder in the place of a file": (lambda p: (os.remove(p / "model.pt"), os.mkdir(p / "model.pt")), "model.pt: is missing"),
    "folders without end": (lambda p: os.makedirs(p / "/".join("d" * 40)), "folders are nested deeper than 32"),
    "a huge manifest": (lambda p: (p / "model.yaml").write_bytes(b"#" * (9 << 20)), "model.yaml: is larger than"),
    "a manifest of anchors": (lambda p: (p / "model.yaml").write_text("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"), "model.yaml"),
    "a manifest of brackets": (lambda p: (p / "model.yaml").write_text("[" * 100_000), "model.yaml"),
    "a path that climbs": (replace("path: model.pt,", "path: a/../../model.pt,"), "a/../../model.pt"),
    "an absolute path": (replace("model: model.pt", "model: /etc/passwd"), "/etc/passwd"),
    "a wrong digest": (replace("sha256: 9e", "sha256: 9f"), "model.pt: its SHA-256 is"),
    "a wrong shape": (replace("{name: y, dtype: float32, shape: [N]}", "{name: y, dtype: float32, shape: [N, 7]}"), "y"),
    "an argument too many": (replace("{name: seconds, input: seconds", "{name: z, input: x, dtype: float32, shape: [N]}\n  - {name: seconds, input: seconds"),
                             "takes 2 arguments, the package declares 3"),
}


@pytest.mark.parametrize("row", FOLDERS)
def test_a_folder_with(row, package):
    spoil, said = FOLDERS[row]
    spoil(package)
    assert said in refused(package)


# --- the model ---

TORCH = {
    "evil_pickle.pt": "posix.system",
    "saves.pt": "aten::save",
    "reads.pt": "from_file",
    "reads_on_load.pt": "from_file",
    "nan.pt": "NaN",
    "escapes.pt": "leaves the archive",
    "cut.pt": "zip",
    "garbage.pt": "needs",
    "state_dict.pt": "--class",
}


@pytest.mark.parametrize("model", TORCH)
def test_a_torch_file_that_is(model, tmp_path):
    said = refused(torch_package(tmp_path, model, out=3 if model == "nan.pt" else 4))
    assert "model.pt" in said or TORCH[model] in said
    if TORCH[model] not in ("needs", "zip", "leaves the archive"):
        assert TORCH[model] in said


@pytest.mark.parametrize("model,word", [("saves", "WriteFile"), ("reads", "ReadFile"), ("python", "PyFunc"), ("nan", "NaN"), ("cut", "model"),
                                        ("restores", "RestoreV2")])
def test_a_savedmodel_that_is(model, word, tmp_path):
    assert word in refused(tensorflow_package(tmp_path, model, out=3 if model == "nan" else 4))


def test_a_torch_file_with_a_huge_header(tmp_path):
    package = torch_package(tmp_path, "identity.pt")
    data = bytearray((package / "model.pt").read_bytes())
    end = data.rfind(b"PK\x06\x06")  # the 64-bit end: entries, entries, bytes of the directory
    struct.pack_into("<QQQ", data, end + 24, 1 << 50, 1 << 50, 1 << 60)
    (package / "model.pt").write_bytes(data)
    assert "a broken zip archive" in refused(sealed(package))


def test_a_torch_file_that_unpacks_without_end(tmp_path):
    """A pickle of 1 GB of zeros, deflated to 1 MB."""
    package = torch_package(tmp_path, "identity.pt")
    source = zipfile.ZipFile(io.BytesIO((package / "model.pt").read_bytes()))
    with zipfile.ZipFile(package / "model.pt", "w", zipfile.ZIP_STORED) as out:
        for entry in source.infolist():
            if entry.filename.endswith("/data.pkl"):
                with out.open(zipfile.ZipInfo(entry.filename), "w", force_zip64=True) as stream:
                    stream.write(source.read(entry))
            else:
                out.writestr(entry.filename, source.read(entry))
        bomb = zipfile.ZipInfo("identity/bomb.pkl")
        bomb.compress_type = zipfile.ZIP_DEFLATED
        with out.open(bomb, "w") as stream:
            for _ in range(1024):
                stream.write(bytes(1 << 20))
    assert "model.pt" in refused(sealed(package))


# --- the archive ---

def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def tar(*entries, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return out.getvalue()


def with_package(*more):
    files = [(name, tarfile.REGTYPE, (SLOW / name).read_bytes()) for name in ("model.pt", "model.yaml")]
    return zstd(tar(*files, *more))


def bomb():
    """5 GB of zeros in a few hundred KB."""
    head = tarfile.TarInfo("zeros")
    head.size = 5 << 30
    zeros = subprocess.Popen(["sh", "-c", f"cat; head -c {5 << 30} /dev/zero"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    packed = subprocess.Popen(["zstd", "-q", "-c", "-1"], stdin=zeros.stdout, stdout=subprocess.PIPE)
    zeros.stdin.write(head.tobuf())
    zeros.stdin.close()
    return packed.communicate()[0]


def holes():
    """A sparse file of 1 TB in pax form: a map with one hole, and no data."""
    info = tarfile.TarInfo("holes")
    info.size = 512
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes", "GNU.sparse.realsize": str(1 << 40)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(f"1\n{1 << 40}\n0\n".encode().ljust(512, b"\0")))
    return zstd(out.getvalue())


REGULAR, SYMLINK, HARDLINK, DEVICE, PIPE = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
ARCHIVES = {
    "a path that climbs": (lambda: with_package(("../../evil", REGULAR, b"x")), "../../evil"),
    "an absolute path": (lambda: with_package(("/tmp/serin-evil", REGULAR, b"x")), "/tmp/serin-evil"),
    "a symbolic link": (lambda: with_package(("link", SYMLINK, "/etc/passwd")), '"link": is a symbolic link'),
    "a link and a file through it": (lambda: with_package(("d", SYMLINK, "/tmp"), ("d/serin-evil", REGULAR, b"x")), '"d": is a symbolic link'),
    "a hard link": (lambda: with_package(("link", HARDLINK, "model.pt")), '"link": is a hard link'),
    "a hard link out of it": (lambda: with_package(("link", HARDLINK, "/etc/passwd")), '"link": is a hard link'),
    "a device": (lambda: with_package(("zero", DEVICE, "")), '"zero": is a special file'),
    "a pipe": (lambda: with_package(("pipe", PIPE, "")), '"pipe": is a special file'),
    "a file that stands twice": (lambda: with_package(("model.pt", REGULAR, b"x")), '"model.pt": stands twice'),
    "a file below a file": (lambda: with_package(("model.pt/x", REGULAR, b"x")), '"model.pt/x": cannot be made'),
    "a stranger": (lambda: with_package(("more", REGULAR, b"x")), "more: is not listed in model.yaml"),
    "a bomb": (bomb, "bytes for each compressed byte"),
    "holes": (holes, "holes"),
    "a huge header": (lambda: with_package(("n" * (4 << 20), REGULAR, b"x")), "Special header too large"),
    "entries without end": (lambda: with_package(*[(f"f{i}", REGULAR, b"") for i in range(25_001)]), "more than 25000 entries"),
    "no manifest": (lambda: zstd(tar(("model.pt", REGULAR, b"x"))), "there is no model.yaml"),
    "an end too soon": (lambda: with_package()[:-200], "is cut"),
    "something else": (lambda: b"PK\3\4" + bytes(1000), "is neither a package's folder nor an archive"),
    "nothing": (lambda: b"", "nor an archive that"),
}


@pytest.mark.parametrize("row", ARCHIVES)
def test_an_archive_with(row, tmp_path):
    make, said = ARCHIVES[row]
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (inner / "evil.serin").write_bytes(make())
    ended = run("package", "unpack", inner / "evil.serin", "-o", inner / "out")
    assert ended.returncode in (1, 2) and said in ended.stderr, ended.stderr[:2000]
    assert len(ended.stderr) < 10_000
    assert [path.name for path in inner.iterdir()] == ["evil.serin"]
    assert not (tmp_path / "evil").exists() and not pathlib.Path("/tmp/serin-evil").exists()


# --- between the check and the use, and afterwards ---

@pytest.fixture
def loading(package, start):
    """A worker that has checked its package and is busy with a golden request of some seconds."""
    text = (package / "model.yaml").read_text().replace("- request: {x: 21.0}\n  expect: {}", "- request: {x: 21.0, seconds: 3}")
    (package / "model.yaml").write_text(text)
    sealed(package)

    def begin():
        worker = start(package)  # returns once it listens; it loads from then on
        status, _, body = worker.get("/health/ready")
        assert status == 503, body
        return worker

    return package, begin


def ends_with(worker, *said):
    """By itself, never ready, for one of the reasons."""
    assert worker.process.wait(timeout=110) in (1, 2)
    worker.reader.join(timeout=10)
    log = "".join(worker.log)
    assert '"ready"' not in log and any(one in log for one in said), log


def swap_and_put_back(package):
    os.rename(package / "model.pt", package.parent / "good")
    os.symlink("/etc/passwd", package / "model.pt")
    os.remove(package / "model.pt")
    os.rename(package.parent / "good", package / "model.pt")


CHANGED = "changed while the package was loaded"


@pytest.mark.parametrize("change,said", [
    (lambda p: open(p / "model.pt", "ab").write(b"x"), [CHANGED]),
    (swap_and_put_back, [CHANGED]),
    (lambda p: (os.remove(p / "model.pt"), os.symlink("/etc/passwd", p / "model.pt")), ["model.pt: is a symbolic link"]),
    # The sandbox was opened to the folder that was checked, whatever its name now leads to.
    (lambda p: (os.rename(p, p.parent / "good"), shutil.copytree(p.parent / "good", p)), ["Permission denied"]),
], ids=["written", "swapped and put back", "became a link", "another folder"])
def test_a_package_that_changes_while_it_is_loaded(change, said, loading):
    package, begin = loading
    worker = begin()
    change(package)
    ends_with(worker, *said)


def test_a_package_that_changes_while_it_is_served_changes_nothing(package, start):
    worker = start(package, "--idle-probe", "0.2").wait_ready()
    before = worker.post("/generate", {"x": 3, "seed": 1})
    assert before[0] == 200
    (package / "model.pt").write_bytes(b"garbage" * 1000)
    shutil.move(package / "model.yaml", package.parent / "model.yaml")
    os.symlink("/etc/passwd", package / "model.yaml")
    deadline = time.monotonic() + 2  # some idle probes long
    while time.monotonic() < deadline:
        after = worker.post("/generate", {"x": 3, "seed": 1})
        assert (after[0], after[2]) == (before[0], before[2])
        assert after[1]["Serin-Package"] == before[1]["Serin-Package"]
        time.sleep(0.3)
    assert worker.get("/health/ready")[0] == 200
    assert worker.stop() == 0
    assert "model.pt" in refused(package) or "model.yaml" in refused(package)


def test_running_out_of_memory_answers_503_and_the_worker_lives_on(tmp_path, start):
    """A model that asks for 2^46 numbers; it has no golden request, or it could not be served."""
    package = torch_package(tmp_path, "large.pt", out=4)
    text = (package / "model.yaml").read_text().replace("golden:\n- request: {seed: 1}\n", "")
    (package / "model.yaml").write_text(text.replace("{name: y, dtype: float32, shape: [N, 4]}", "{name: y, dtype: float32, shape: [N]}"))
    worker = start(sealed(package)).wait_ready()
    for _ in range(3):
        status, headers, body = worker.post("/generate", {"seed": 1})
        assert status == 503 and b"out_of_memory" in body and int(headers["Retry-After"]) >= 1, body
    assert worker.get("/health/live")[0] == 200
