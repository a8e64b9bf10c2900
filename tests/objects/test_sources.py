# SPDX-License-Identifier: Apache-2.0
"""Packages that come from and go to real stores and a real registry (tests/env/run.py starts them), with other people's
tools on the other side: skopeo, and the registry's own HTTP interface."""
import base64
import concurrent.futures
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest

from conftest import EXAMPLE, ROOT, SERIN, blob_of, manifest_of
from layout import CONFIG, Layout

DRIVER = os.environ["SERIN_OBJECTS_DRIVER"]


@pytest.fixture
def bucket():
    name = "bucket-" + uuid.uuid4().hex[:12]
    subprocess.run([DRIVER, "make", f"s3://{name}"], check=True)
    return f"s3://{name}"


@pytest.fixture
def container():
    url = "azblob://devstoreaccount1/container-" + uuid.uuid4().hex[:12]
    subprocess.run([DRIVER, "make", url], check=True)
    return url


@pytest.fixture(params=["s3", "azure", "file", "oci"])
def destination(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("bucket") + "/models/digits.serin"
    if request.param == "azure":
        return request.getfixturevalue("container") + "/models/digits.serin"
    if request.param == "file":
        return f"file://{tmp_path}/digits.serin"
    return "oci://" + request.getfixturevalue("repository") + ":v1"


def test_a_package_goes_and_comes_back_the_same(serin, digest, destination, tmp_path):
    assert digest in serin("package", "push", EXAMPLE, destination).stdout
    assert serin("package", "verify", destination).stdout.split()[0] == digest
    assert digest in serin("package", "inspect", destination, "--digest", digest).stdout
    assert digest in serin("package", "unpack", destination, "-o", "back").stdout
    for file in EXAMPLE.rglob("*"):
        if file.is_file():
            assert (tmp_path / "back" / file.relative_to(EXAMPLE)).read_bytes() == file.read_bytes()


def test_pushing_again_is_fine_and_pushing_something_else_needs_a_word(serin, destination):
    serin("package", "push", EXAMPLE, destination)
    serin("package", "push", EXAMPLE, destination)
    other = ROOT / "examples/motion/package"
    assert "--replace" in serin("package", "push", other, destination, code=2).stderr
    serin("package", "push", other, destination, "--replace")
    assert "motion" in serin("package", "inspect", destination).stdout


def test_another_package_than_the_one_asked_for_is_refused(serin, digest, destination):
    serin("package", "push", EXAMPLE, destination)
    wrong = serin("package", "verify", destination, "--digest", "sha256:" + "0" * 64, code=1).stderr
    assert digest in wrong and "0" * 64 in wrong


def test_what_is_not_there_is_said(serin, bucket, container, repository, tmp_path):
    for source in (f"{bucket}/nothing.serin", f"{container}/nothing.serin", f"oci://{repository}:v1",
                   f"file://{tmp_path}/nothing.serin", "s3://no-such-bucket-at-all/x.serin"):
        assert serin("package", "verify", source, code=2).stderr


def test_a_wrong_secret_is_refused(serin, bucket, container):
    said = serin("package", "push", EXAMPLE, f"{bucket}/x.serin", code=1, AWS_SECRET_ACCESS_KEY="wrong").stderr
    assert "secret key" in said
    account = os.environ["AZURE_STORAGE_CONNECTION_STRING"].replace("AccountKey=E", "AccountKey=F")
    serin("package", "push", EXAMPLE, f"{container}/x.serin", code=1, AZURE_STORAGE_CONNECTION_STRING=account)


def test_what_is_no_package_is_refused(serin, bucket, tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(1000))
    subprocess.run([DRIVER, "put", f"{bucket}/noise.serin", tmp_path / "noise"], check=True)
    assert "tar archive" in serin("package", "verify", f"{bucket}/noise.serin", code=2).stderr


def test_a_truncated_archive_is_refused(serin, bucket, tmp_path):
    archive = tmp_path / "whole.serin"
    serin("package", "pack", EXAMPLE, "-o", archive)
    (tmp_path / "cut").write_bytes(archive.read_bytes()[:-1000])
    subprocess.run([DRIVER, "put", f"{bucket}/cut.serin", tmp_path / "cut"], check=True)
    assert "cut" in serin("package", "verify", f"{bucket}/cut.serin", code=2).stderr


def test_two_at_once_fetch_once_and_both_have_it(serin, digest, bucket, tmp_path):
    serin("package", "push", EXAMPLE, f"{bucket}/both.serin")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: serin("package", "verify", f"{bucket}/both.serin").stdout.split()[0], range(4)))
    assert found == [digest] * 4
    assert len([p for p in (tmp_path / "cache/packages").iterdir() if p.is_dir() and p.name != "archives"]) == 1


def test_a_fetch_that_was_cut_goes_on_where_it_was(serin, digest, repository, tmp_path):
    serin("package", "push", EXAMPLE, f"oci://{repository}:v1")
    raw = manifest_of(repository)
    layer = json.loads(raw)["layers"][0]
    archives = tmp_path / "cache/packages/archives"
    archives.mkdir(parents=True)
    artifact = "sha256:" + hashlib.sha256(raw).hexdigest()
    part = archives / (hashlib.sha256(artifact.encode()).hexdigest() + ".part")
    part.write_bytes(blob_of(repository, layer["digest"])[:5000])
    assert serin("package", "verify", f"oci://{repository}:v1").stdout.split()[0] == digest
    # And where those bytes were others, the digest of the whole says so, and the next try starts anew.
    shutil.rmtree(tmp_path / "cache")
    archives.mkdir(parents=True)
    part.write_bytes(b"x" * 5000)
    assert layer["digest"][7:] in serin("package", "verify", f"oci://{repository}:v1", code=1).stderr
    assert serin("package", "verify", f"oci://{repository}:v1").stdout.split()[0] == digest


def test_the_cache_keeps_to_its_bound(serin, bucket, tmp_path):
    for name in ("spoken-digits", "motion"):
        serin("package", "push", ROOT / f"examples/{name}/package", f"{bucket}/{name}.serin")
        serin("package", "verify", f"{bucket}/{name}.serin", "--cache-bytes", "1")
    kept = [p for p in (tmp_path / "cache/packages").glob("sha256-*") if p.is_dir()]
    assert len(kept) == 1  # the one in use


def test_a_registry_that_lies_is_refused(serin, digest, repository):
    serin("package", "push", EXAMPLE, f"oci://{repository}:v1")
    layer = json.loads(manifest_of(repository))["layers"][0]["digest"][7:]
    stored = pathlib.Path(os.environ["SERIN_TEST_REGISTRY_BLOBS"]) / layer[:2] / layer / "data"
    whole = stored.read_bytes()
    try:
        stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert "other bytes" in serin("package", "verify", f"oci://{repository}:v1", code=1).stderr
    finally:
        stored.write_bytes(whole)
    assert serin("package", "verify", f"oci://{repository}:v1").stdout.split()[0] == digest


def test_skopeo_reads_what_we_push_and_we_what_skopeo_pushes(serin, digest, repository, tmp_path):
    serin("package", "push", EXAMPLE, f"oci://{repository}:v1")
    raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{repository}:v1"],
                         check=True, capture_output=True, text=True, timeout=60).stdout
    assert json.loads(raw)["annotations"]["dev.serin.package.digest"] == digest
    subprocess.run(["skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", f"docker://{repository}:v1",
                    f"oci:{tmp_path}/layout:v1"], check=True, capture_output=True, timeout=60)
    copied = f"{repository}-copied"
    subprocess.run(["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", f"oci:{tmp_path}/layout:v1",
                    f"docker://{copied}:v2"], check=True, capture_output=True, timeout=60)
    assert serin("package", "verify", f"oci://{copied}:v2").stdout.split()[0] == digest
    manifest = "sha256:" + hashlib.sha256(raw.encode()).hexdigest()
    assert serin("package", "verify", f"oci://{copied}@{manifest}").stdout.split()[0] == digest


def test_a_private_registry_wants_the_password_that_others_left(serin, digest, tmp_path):
    registry = os.environ["SERIN_TEST_PRIVATE_REGISTRY"]
    url = f"oci://{registry}/models/digits:v1"
    logins = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    assert "no credentials" in serin("package", "push", EXAMPLE, url, code=1, **logins).stderr
    login = ["skopeo", "login", "--tls-verify=false", "--authfile", logins["REGISTRY_AUTH_FILE"], "-u", "user"]
    subprocess.run([*login, "-p", "secret", registry], check=True, capture_output=True, timeout=60)
    serin("package", "push", EXAMPLE, url, **logins)
    assert serin("package", "verify", url, **logins).stdout.split()[0] == digest
    auth = json.loads((tmp_path / "auth.json").read_text())
    auth["auths"][registry]["auth"] = base64.b64encode(b"user:wrong").decode()
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    assert "does not accept" in serin("package", "verify", url, code=1, **logins).stderr


class TokenRegistry(http.server.BaseHTTPRequestHandler):
    """Stands before the private registry as one with a token service does: no Debian package offers such a service."""
    tokens = []

    def do_GET(self):
        self.serve()
    do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

    def serve(self):
        basic = "Basic " + base64.b64encode(b"user:secret").decode()
        if self.path == "/token":  # an identity token is exchanged
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            good = form["refresh_token"] == ["long+lived"] and form["grant_type"] == ["refresh_token"]
            if good:
                self.tokens.append(uuid.uuid4().hex)
            return self.answer(200 if good else 401, {}, json.dumps({"access_token": self.tokens[-1]}).encode() if good else b"")
        if self.path.startswith("/token?"):
            good = self.headers.get("Authorization") == basic
            if good:
                self.tokens.append(uuid.uuid4().hex)
            return self.answer(200 if good else 401, {}, json.dumps({"token": self.tokens[-1]}).encode() if good else b"")
        if self.headers.get("Authorization") not in [f"Bearer {token}" for token in self.tokens]:
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="tests",scope="repository:a:pull"'
            return self.answer(401, {"WWW-Authenticate": realm}, b"")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = urllib.request.Request(f"http://{os.environ['SERIN_TEST_PRIVATE_REGISTRY']}{self.path}", data=body or None,
                                         method=self.command, headers={**self.headers, "Authorization": basic})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return self.answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return self.answer(error.code, error.headers, error.read())

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", headers.get("Content-Length") or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_token_service_is_asked_for_a_token(serin, digest, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenRegistry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_address[1]}"
    auth = {"auths": {host: {"auth": base64.b64encode(b"user:secret").decode()}}}
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    logins = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    try:
        serin("package", "push", EXAMPLE, f"oci://{host}/models/tokens:v1", **logins)
        assert serin("package", "verify", f"oci://{host}/models/tokens:v1", **logins).stdout.split()[0] == digest
        assert TokenRegistry.tokens
        auth["auths"][host] = {"identitytoken": "long+lived"}
        (tmp_path / "auth.json").write_text(json.dumps(auth))
        assert serin("package", "verify", f"oci://{host}/models/tokens:v1", **logins).stdout.split()[0] == digest
        serin("package", "verify", f"oci://{host}/models/tokens:v1", code=1)
    finally:
        server.shutdown()


def test_an_image_that_is_no_package_is_refused(serin, repository, tmp_path):
    layout = Layout(tmp_path / "image")
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    layout.image(layout.blob(config, CONFIG), [])
    subprocess.run(["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", f"oci:{layout.folder}:v1",
                    f"docker://{repository}:v1"], check=True, capture_output=True, timeout=60)
    assert "not a package's artifact" in serin("package", "verify", f"oci://{repository}:v1", code=2).stderr


def test_a_worker_serves_what_it_fetched(serin, digest, bucket, tmp_path):
    serin("package", "push", EXAMPLE, f"{bucket}/digits.serin")
    # With the machine's own cache, which engines find their libraries in.
    worker = subprocess.Popen([SERIN, "serve", f"{bucket}/digits.serin", "--digest", digest, "--socket",
                               str(tmp_path / "s"), "--no-port"], stderr=subprocess.PIPE, text=True)
    try:
        done = subprocess.run(["curl", "-s", "--retry", "100", "--retry-all-errors", "--retry-delay", "1", "-f",
                               "--unix-socket", tmp_path / "s", "-D", "-", "-o", "/dev/null", "http://w/generate", "-d",
                               '{"seed": 7}'], capture_output=True, text=True, timeout=110)
        assert f"serin-package: {digest}" in done.stdout.lower(), done.stdout
    finally:
        worker.terminate()
        assert worker.wait(30) == 0, worker.stderr.read()
