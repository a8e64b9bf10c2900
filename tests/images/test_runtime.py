# SPDX-License-Identifier: Apache-2.0
"""An image of the runtime as deploy/images makes it, built by buildah and run by runc: as nobody, with nothing to write to but
/tmp, on a base that has no shell. Needs root, and what `tools/setup --cluster` installs."""
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["SERIN_BUILD"])
SERIN = BUILD / "serin"
BASE = "localhost/base:test"
RUNTIME = "localhost/serin/runtime:test"
MODEL = "localhost/motion:test"
PACKAGE = ROOT / "examples/motion/package"
OF_DEBIAN_SLIM = ["base-files", "libc6", "libgcc-s1", "libstdc++6"]  # of its packages, what a program needs
SERVES_WITHIN = 60  # seconds


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Images:
    """buildah with images and containers of its own."""

    def __init__(self, folder):
        self.words = ["buildah", "--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "overlay"]

    def __call__(self, *words):
        return run(*self.words, *words).strip()

    def config(self, image):
        return json.loads(self("inspect", "--type", "image", image))["OCIv1"]

    def mounted(self, image):
        """The folder that a container of it sees."""
        return pathlib.Path(self("mount", self("from", image)))

    def end(self):
        self("umount", "--all")
        self("rm", "--all")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    images = Images(tmp_path_factory.mktemp("buildah"))
    yield images
    images.end()


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    context = tmp_path_factory.mktemp("stage") / "context"
    run(ROOT / "deploy/images/stage", "--engine", "torch", BUILD, context)
    return context


@pytest.fixture(scope="module")
def runtime(images, context, tmp_path_factory):
    base = tmp_path_factory.mktemp("base")
    for path in map(pathlib.Path, run("dpkg", "-L", *OF_DEBIAN_SLIM).splitlines()):
        if path.is_file() and "/share/" not in str(path):
            target = base / path.parent.resolve().relative_to("/") / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
    for usual in ("bin", "lib", "lib64"):
        (base / "usr" / usual).mkdir(exist_ok=True)
        (base / usual).symlink_to(f"usr/{usual}")
    container = images("from", "scratch")
    images("copy", container, base, "/")
    images("commit", "--quiet", container, BASE)
    images("build", "--layers", "--isolation", "chroot", "--quiet", "--build-arg", f"BASE={BASE}", "--tag", RUNTIME, context)
    return images.config(RUNTIME)


def bundle_of(folder, root, config, *words):
    """What runc starts: the image's entry point with these words, as the image's user, in the network that there is."""
    run("runc", "spec", cwd=folder)
    spec = json.loads((folder / "config.json").read_text())
    uid, gid = map(int, config["config"]["User"].split(":"))
    spec["root"] = {"path": str(root), "readonly": True}
    spec["process"].update({"terminal": False, "args": [*config["config"]["Entrypoint"], *words],
                            "env": config["config"]["Env"], "user": {"uid": uid, "gid": gid}, "noNewPrivileges": True})
    spec["process"]["capabilities"] = {}
    spec["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]})
    spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "network"]
    (folder / "config.json").write_text(json.dumps(spec))


class Container:
    """Runs in a network of its own until it is ended."""

    def __init__(self, images, image, folder, *words):
        bundle_of(folder, images.mounted(image), images.config(image), *words)
        self.runc = ["runc", "--root", folder / "runc"]
        self.name = f"serin-test-{os.getpid()}"
        command = " ".join(map(str, [*self.runc, "run", "--bundle", folder, self.name]))
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", f"ip link set lo up && exec {command}"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def proc(self, file):
        """What the kernel says of its first process."""
        pid = json.loads(run(*self.runc, "state", self.name))["pid"]
        return pathlib.Path(f"/proc/{pid}/{file}").read_text()

    def end(self):
        subprocess.run([*self.runc, "delete", "--force", self.name], capture_output=True)
        return self.process.communicate(timeout=60)[0]


@pytest.fixture
def start(images, tmp_path):
    """start(image, *words)"""
    started = []

    def start(image, *words):
        started.append(Container(images, image, tmp_path, *words))
        return started[-1]
    yield start
    for container in started:
        container.end()


def test_the_image_is_what_clusters_want(runtime, context):
    config = runtime["config"]
    assert config["User"] == "65532:65532"
    assert list(config["ExposedPorts"]) == ["5000/tcp"]
    assert config["Entrypoint"] == ["/opt/serin/bin/serin"] and not config.get("Cmd")
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == run(SERIN, "--version").split()[-1]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"] == BASE
    assert len(runtime["rootfs"]["diff_ids"]) == 1 + 4  # the base's, and the program, the codecs, two engines
    assert [path.name for path in (context / "torch/opt/serin/lib/serin").iterdir() if "serin" in path.name] == ["libserin_torch.so"]


def test_the_image_for_gpus_is_put_together_on_another_base(images, runtime, context):
    """Which is all that can be tried without a GPU and without PyTorch for one."""
    images("build", "--layers", "--isolation", "chroot", "--quiet", "--build-arg", f"BASE={RUNTIME}",
           "--file", ROOT / "deploy/images/Containerfile.gpu", "--tag", "localhost/gpu:test", context)
    config = images.config("localhost/gpu:test")["config"]
    assert config["Entrypoint"] == ["/opt/serin/bin/serin"] and config["User"] == "65532:65532"
    assert "LD_LIBRARY_PATH=/opt/serin/lib/serin:/opt/serin/lib/serin" in config["Env"]  # the base's stays behind ours


def test_every_file_of_others_is_in_the_bill_of_materials(images, runtime, context):
    root = images.mounted(RUNTIME)
    document = json.loads((root / "opt/serin/share/sbom.cdx.json").read_text())
    assert document == json.loads((context / "sbom.cdx.json").read_text())
    located = [place["location"] for part in document["components"] for place in part.get("evidence", {}).get("occurrences", [])]
    there = [f"/{path.relative_to(root)}" for path in (root / "opt/serin/lib/serin").iterdir()]
    own = {"libserin_av.so", "libserin_remote.so", "libserin_torch.so", "libtorch.so"}
    assert sorted(located) == sorted([*(path for path in there if pathlib.Path(path).name not in own), "/opt/serin/etc/ca-certificates.crt"])
    names = {part["name"]: part for part in document["components"]}
    assert names["torch"]["purl"].startswith("pkg:pypi/torch@") and names["libssl3"]["purl"].startswith("pkg:deb/debian/libssl3@")
    assert not {"libc6", "libgcc-s1", "libstdc++6"} & names.keys()  # the base's
    for part in document["components"]:
        assert (root / "opt/serin/share/doc" / part["name"]).exists() or "evidence" not in part, part


def test_the_program_starts_where_there_is_no_shell(images, runtime, start):
    assert not (images.mounted(RUNTIME) / "bin/sh").exists()
    process = start(RUNTIME, "--version").process
    assert process.communicate(timeout=60)[0] == run(SERIN, "--version")
    assert process.returncode == 0


def test_a_model_image_of_it_answers_at_port_5000(images, runtime, start, tmp_path):
    images("push", "--quiet", RUNTIME, f"oci:{tmp_path}/runtime:{RUNTIME}")
    run(SERIN, "image", "build", PACKAGE, "--base", tmp_path / "runtime", "-t", MODEL, "-o", tmp_path / "model.tar")
    images("pull", "--quiet", f"oci-archive:{tmp_path}/model.tar")
    container = start(MODEL, "--address", "0.0.0.0")
    ask = ["nsenter", "--target", str(container.process.pid), "--net", "curl", "--silent", "--fail", "-H", "Accept: image/gif",
           "-d", '{"seed": 7}', "http://127.0.0.1:5000/generate"]
    until = time.monotonic() + SERVES_WITHIN
    while (answer := subprocess.run(ask, capture_output=True, timeout=60)).returncode:
        assert container.process.poll() is None and time.monotonic() < until, container.end()
        time.sleep(0.2)
    assert answer.stdout.startswith(b"GIF89a")
    assert "Uid:\t65532\t65532\t65532\t65532\n" in container.proc("status")
    [root] = [line.split() for line in container.proc("mountinfo").splitlines() if line.split()[4] == "/"]
    assert "ro" in root[5].split(",")
