# SPDX-License-Identifier: Apache-2.0
"""Images and artifacts of packages, with other people's tools on the other side: skopeo, tar, and a registry."""
import base64
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import uuid

import pytest

from conftest import EXAMPLE, ROOT, blob_of, manifest_of
from layout import CONFIG, LAYER, Layout

KEYS = ROOT / "src/model/testdata"


def skopeo(*words):
    done = subprocess.run(["skopeo", *map(str, words)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def copy(source, target, *words):
    return skopeo("copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false", *words, source, target)


def tar_of(*members):
    """(name, content) or TarInfo"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


@pytest.fixture
def runtime(tmp_path):
    """A runtime's image, but for what is in it."""
    layout = Layout(tmp_path / "runtime")
    layer = tar_of(("opt/serin/bin/serin", b"the program"))
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
              "config": {"Entrypoint": ["/opt/serin/bin/serin"], "User": "65532:65532"}}
    layout.image(layout.blob(json.dumps(config).encode(), CONFIG), [layout.blob(layer, LAYER)], name="serin/runtime:test")
    return layout.folder


def digest_in(done):
    return done.stdout.split("digest: ")[1].split()[0]


def test_an_image_is_built_kept_pushed_pulled_and_removed(serin, digest, repository, runtime):
    name = f"{repository}:v1"
    built = digest_in(serin("image", "build", EXAMPLE, "-t", name, "--base", runtime))
    assert f"{name}  {built}" in serin("image", "list").stdout
    assert digest_in(serin("image", "push", name)) == built
    seen = serin("image", "inspect", name).stdout
    assert built in seen and "kind:   model image" in seen and digest in seen
    serin("image", "remove", name)
    assert serin("image", "list").stdout == ""
    assert digest_in(serin("image", "pull", f"{repository}@{built}", "again:v1")) == built
    assert json.loads(serin("image", "list", "--json").stdout)["name"] == "again:v1"
    config = json.loads(serin("image", "inspect", "again:v1", "--json").stdout)["config"]["config"]
    assert config["Entrypoint"] == ["/opt/serin/bin/serin", "serve", "/package"]


def test_others_read_what_we_write(serin, repository, runtime, tmp_path):
    built = digest_in(serin("image", "build", EXAMPLE, "-t", "models/digits:v1", "--base", runtime, "-o", "image.tar"))
    assert skopeo("inspect", "--format", "{{.Digest}}", f"oci-archive:{tmp_path}/image.tar").strip() == built
    # As `docker load` reads it where it knows no layouts.
    assert json.loads(skopeo("inspect", f"docker-archive:{tmp_path}/image.tar"))["Architecture"] == "amd64"
    assert json.loads(skopeo("inspect", "--config", f"docker-archive:{tmp_path}/image.tar"))["config"]["User"] == "65532:65532"
    serin("image", "push", "image.tar", f"{repository}:v1")
    assert skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{repository}:v1").strip() == built
    copy(f"docker://{repository}:v1", f"oci:{tmp_path}/layout:other/name:v2", "--preserve-digests")
    assert digest_in(serin("image", "pull", "./layout")) == built
    assert "other/name:v2" in serin("image", "list").stdout


def test_we_read_what_others_write(serin, repository, runtime, tmp_path):
    copy(f"oci:{runtime}", f"docker://{repository}:v1")
    pulled = digest_in(serin("image", "pull", f"{repository}:v1"))
    assert skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{repository}:v1").strip() == pulled
    # Docker's own kind of manifest, as a base by its digest.
    copy(f"oci:{runtime}", f"docker://{repository}:docker", "--format", "v2s2")
    base = skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{repository}:docker").strip()
    serin("image", "build", EXAMPLE, "-t", f"{repository}:v2", "--base", f"{repository}@{base}")
    serin("image", "push", f"{repository}:v2")
    image = json.loads(manifest_of(repository, "v2"))
    assert image["annotations"]["org.opencontainers.image.base.digest"] == base
    assert {layer["mediaType"].split("+")[0] for layer in image["layers"]} == {LAYER}
    copy(f"docker://{repository}:v2", f"oci-archive:{tmp_path}/back.tar")
    assert "kind:   model image" in serin("image", "inspect", "back.tar").stdout


def test_the_image_for_this_machine_is_taken_of_several(serin, repository, runtime):
    layout = Layout(runtime.parent / "several")
    one = json.loads((runtime / "index.json").read_text())["manifests"][0]
    shutil.copytree(runtime / "blobs", layout.folder / "blobs", dirs_exist_ok=True)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {**one, "platform": {"os": "linux", "architecture": "amd64"}}]}
    layout.index(layout.blob(json.dumps(index).encode(), index["mediaType"]))
    copy(f"oci:{layout.folder}", f"docker://{repository}:v1", "--all", "--preserve-digests")
    assert digest_in(serin("image", "pull", f"{repository}:v1")) == one["digest"]
    assert digest_in(serin("image", "pull", "./several", "again:v1")) == one["digest"]


def test_a_volume_of_a_data_image_is_the_package(serin, digest, tmp_path):
    serin("image", "build", EXAMPLE, "--data", "-o", "data.tar")
    volume = tmp_path / "volume"
    with tarfile.open(tmp_path / "data.tar") as archive:
        index = json.load(archive.extractfile("index.json"))
        read = lambda blob: archive.extractfile("blobs/sha256/" + blob["digest"][7:])  # noqa: E731
        layers = json.load(read(index["manifests"][0]))["layers"]
        assert {layer["mediaType"] for layer in layers} == {LAYER}
        for layer in layers:
            with tarfile.open(fileobj=read(layer), mode="r:") as tar:
                assert {(member.mtime, member.uid, member.gid) for member in tar} == {(0, 0, 0)}
                tar.extractall(volume)
    assert serin("package", "verify", volume).stdout.split()[0] == digest


def test_the_same_package_is_the_same_bytes(serin, runtime, tmp_path):
    other = tmp_path / "elsewhere"
    shutil.copytree(EXAMPLE, other)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o755 if path.is_dir() else 0o600)
    for words in (["--base", runtime], ["--data"], ["--artifact"]):
        serin("image", "build", EXAMPLE, *words, "-o", "one.tar")
        serin("image", "build", other, *words, "-o", "two.tar", TZ="Asia/Tokyo", LC_ALL="C")
        assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_an_artifact_is_what_package_push_writes_and_serve_fetches(serin, digest, repository):
    artifact = digest_in(serin("image", "build", EXAMPLE, "--artifact", "-t", f"{repository}:v1"))
    serin("image", "push", f"{repository}:v1")
    assert artifact in serin("package", "push", EXAMPLE, f"oci://{repository}:v1").stdout  # it is there
    assert serin("package", "verify", f"oci://{repository}@{artifact}").stdout.split()[0] == digest
    manifest = json.loads(manifest_of(repository))
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "application/vnd.cncf.model.weight.v1.tar", "application/vnd.cncf.model.weight.config.v1.tar"]
    config = json.loads(blob_of(repository, manifest["config"]["digest"]))
    assert config["modelfs"] == {"type": "layers", "diffIds": [layer["digest"] for layer in manifest["layers"]]}
    assert config["config"] == {"format": "saved_model", "capabilities": {"inputTypes": ["other"], "outputTypes": ["audio"]}}
    assert config["descriptor"]["name"] == "spoken-digits"


def test_an_artifact_of_others_is_a_package_too(serin, digest, repository, tmp_path):
    """Compressed, in another order, with another split."""
    files = sorted(path for path in EXAMPLE.rglob("*") if path.is_file())
    halves = [files[::2], files[1::2]]
    layout = Layout(tmp_path / "theirs")
    layers = []
    for half in halves:
        tar = tar_of(*[(str(file.relative_to(EXAMPLE)), file.read_bytes()) for file in half])
        done = subprocess.run(["gzip", "-n"], input=tar, capture_output=True, check=True).stdout
        layers.append(layout.blob(done, "application/vnd.cncf.model.weight.v1.tar+gzip"))
    layout.image(layout.blob(b"{}", "application/vnd.cncf.model.config.v1+json"), layers,
                 artifactType="application/vnd.cncf.model.manifest.v1+json")
    serin("image", "push", "./theirs", f"{repository}:v1")
    assert serin("package", "verify", f"oci://{repository}:v1").stdout.split()[0] == digest


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("member", [("../outside", b"x"), ("/outside", b"x"), ("a/../../outside", b"x"),
                                    link("model.yaml", "/etc/passwd", tarfile.SYMTYPE),
                                    link("model.yaml", "/etc/passwd", tarfile.LNKTYPE)], ids=str)
def test_a_layer_that_leads_elsewhere_is_refused(serin, repository, tmp_path, member):
    layout = Layout(tmp_path / "evil")
    layout.image(layout.blob(b"{}", "application/vnd.cncf.model.config.v1+json"),
                 [layout.blob(tar_of(member), "application/vnd.cncf.model.weight.v1.tar")],
                 artifactType="application/vnd.cncf.model.manifest.v1+json")
    serin("image", "push", "./evil", f"{repository}:v1")
    serin("package", "verify", f"oci://{repository}:v1", code=2)
    assert not list(tmp_path.rglob("outside"))


def test_a_blob_that_was_altered_is_refused_on_its_way_in(serin, repository, tmp_path):
    serin("image", "build", EXAMPLE, "--data", "-t", f"{repository}:v1")
    serin("image", "push", f"{repository}:v1")
    serin("image", "remove", f"{repository}:v1")
    layer = json.loads(manifest_of(repository))["layers"][0]["digest"][7:]
    stored = pathlib.Path(os.environ["SERIN_TEST_REGISTRY_BLOBS"]) / layer[:2] / layer / "data"
    whole = stored.read_bytes()
    try:
        stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert layer in serin("image", "pull", f"{repository}:v1", code=1).stderr
        assert serin("image", "list").stdout == ""
    finally:
        stored.write_bytes(whole)
    serin("image", "pull", f"{repository}:v1")


def test_a_base_that_is_no_runtime_is_refused(serin, tmp_path):
    assert "there is no image serin/runtime" in serin("image", "build", EXAMPLE, code=2).stderr
    serin("image", "build", EXAMPLE, "--data", "-t", "data:v1")
    assert "no entry point" in serin("image", "build", EXAMPLE, "--base", "data:v1", code=2).stderr
    serin("image", "build", EXAMPLE, "--data", "--base", "x", code=2)


@pytest.fixture
def key(tmp_path):
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", tmp_path / "key.pem"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", tmp_path / "key.pub"], check=True)
    return tmp_path / "key.pem"


def test_a_signed_image_is_verified_by_its_key_alone(serin, repository, key):
    built = digest_in(serin("image", "build", EXAMPLE, "--data", "-t", f"{repository}:v1"))
    serin("image", "push", f"{repository}:v1")
    assert "nobody has signed" in serin("image", "verify", f"{repository}:v1", "--key", "key.pub", code=1).stderr
    serin("image", "push", f"{repository}:v1", "--sign-key", key)
    assert serin("image", "verify", f"{repository}:v1", "--key", "key.pub").stdout.startswith(f"{built} signed by public key ")
    assert serin("image", "verify", f"{repository}@{built}", "--key", "key.pub").stdout
    assert "not by the trusted key" in serin("image", "verify", f"{repository}:v1", "--key", KEYS / "cosign.pub", code=1).stderr
    serin("image", "build", ROOT / "examples/motion/package", "--data", "-t", f"{repository}:v1")
    serin("image", "push", f"{repository}:v1")  # the tag moves to what nobody signed
    serin("image", "verify", f"{repository}:v1", "--key", "key.pub", code=1)


# Debian's skopeo has sigstore switched off, so what it would do is done by hand, as cosign's specification says.
STATEMENT = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)


def test_a_signature_is_where_and_what_cosign_looks_for(serin, repository, key, tmp_path):
    built = digest_in(serin("image", "build", EXAMPLE, "--data", "-t", f"{repository}:v1"))
    serin("image", "push", f"{repository}:v1", "--sign-key", key)
    [layer] = json.loads(manifest_of(repository, built.replace(":", "-") + ".sig"))["layers"]
    assert layer["mediaType"] == STATEMENT
    statement = blob_of(repository, layer["digest"])
    assert json.loads(statement) == {"critical": {"identity": {"docker-reference": repository}, "image": {"docker-manifest-digest": built},
                                                  "type": "cosign container image signature"}, "optional": None}
    (tmp_path / "statement").write_bytes(statement)
    (tmp_path / "signature").write_bytes(base64.b64decode(layer["annotations"][SIGNATURE]))
    openssl("dgst", "-sha256", "-verify", tmp_path / "key.pub", "-signature", tmp_path / "signature", tmp_path / "statement")


def test_a_signature_of_others_is_believed(serin, repository, key, tmp_path):
    built = digest_in(serin("image", "build", EXAMPLE, "--data", "-t", f"{repository}:v1"))
    serin("image", "push", f"{repository}:v1")
    statement = json.dumps({"critical": {"identity": {"docker-reference": "whatever"}, "image": {"docker-manifest-digest": built},
                                         "type": "cosign container image signature"}, "optional": {"creator": "others"}}).encode()
    (tmp_path / "statement").write_bytes(statement)
    openssl("dgst", "-sha256", "-sign", key, "-out", tmp_path / "signature", tmp_path / "statement")
    layout = Layout(tmp_path / "signatures")
    signed = base64.b64encode((tmp_path / "signature").read_bytes()).decode()
    layout.image(layout.blob(b"{}", CONFIG),
                 [{**layout.blob(statement, STATEMENT), "annotations": {SIGNATURE: signed}}])
    serin("image", "push", "./signatures", f"{repository}:{built.replace(':', '-')}.sig")
    assert "signed by" in serin("image", "verify", f"{repository}:v1", "--key", "key.pub").stdout


def test_a_key_of_cosign_signs_with_its_password(serin, repository, runtime):
    words = ["image", "push", "./runtime", f"{repository}:v1", "--sign-key", KEYS / "cosign.key"]
    assert "COSIGN_PASSWORD" in serin(*words, code=2).stderr
    serin(*words, code=2, COSIGN_PASSWORD="other")
    serin(*words, COSIGN_PASSWORD="secret")
    assert "signed by" in serin("image", "verify", f"{repository}:v1", "--key", KEYS / "cosign.pub").stdout


def test_a_credential_helper_is_asked(serin, runtime, tmp_path):
    registry = os.environ["SERIN_TEST_PRIVATE_REGISTRY"]
    name = f"{registry}/models/{uuid.uuid4().hex[:12]}:v1"
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry: "tests"}}))
    helper = tmp_path / "docker-credential-tests"
    helper.write_text('#!/bin/sh\nread host\necho "$1 $host" >> asked\n'
                      'echo "{\\"ServerURL\\": \\"$host\\", \\"Username\\": \\"user\\", \\"Secret\\": \\"secret\\"}"\n')
    helper.chmod(0o755)
    logins = {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path),
              "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    serin("image", "push", "./runtime", name, **logins)
    assert (tmp_path / "asked").read_text().startswith(f"get {registry}")
    serin("image", "pull", name, **logins)
    helper.write_text("#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n")
    assert "no credentials" in serin("image", "pull", name, code=1, **logins).stderr
    helper.write_text("#!/bin/sh\necho 'the vault is shut'\nexit 1\n")
    assert "the vault is shut" in serin("image", "pull", name, code=1, **logins).stderr
    auth = {"auths": {registry: {"auth": base64.b64encode(b"user:secret").decode()}}, "credsStore": "no-such-store"}
    (tmp_path / "config.json").write_text(json.dumps(auth))
    assert "docker-credential-no-such-store" in serin("image", "pull", name, code=2, **logins).stderr


@pytest.mark.parametrize("words,said", [
    (["push", "nothing:v1"], "there are no images on this machine"),
    (["pull", "nothing:v1"], "names no registry"),
    (["inspect", "./nothing"], "No such file"),
    (["inspect", "Not A Name"], "write [HOST/]REPOSITORY"),
    (["build", EXAMPLE, "--data", "-t", "a@sha256:" + "0" * 64], "give it a tag"),
    (["build", EXAMPLE, "--data", "--artifact"], "serin image build takes --data or --artifact, not both"),
])
def test_a_wrong_line_is_told(serin, words, said):
    assert said in serin("image", *words, code=2).stderr
