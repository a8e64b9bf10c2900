# SPDX-License-Identifier: Apache-2.0
"""Who made a package, and what is attested of it: signed by the program, judged by the public tool, and the other way round."""
import pathlib
import shutil
import subprocess
import sys

import pytest

from worker import ROOT, SERIN


def run(*words):
    return subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=120)


def good(*words):
    done = run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(*words):
    return subprocess.run([sys.executable, "-m", "model_signing", *map(str, words)], capture_output=True, text=True, timeout=120)


def openssl(folder, *words):
    subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def package(tmp_path):
    return pathlib.Path(shutil.copytree(ROOT / "tests/system/packages/slow", tmp_path / "slow"))


@pytest.fixture
def keys(tmp_path):
    """mine.pem and mine.pub, other.pem and other.pub; ca.crt, and leaf.pem with leaf.crt by it."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("mine", "other", "ca", "leaf"):
        openssl(folder, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.pem")
        openssl(folder, "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub")
    openssl(folder, "req", "-x509", "-new", "-key", "ca.pem", "-subj", "/CN=Root", "-days", "2", "-out", "ca.crt")
    openssl(folder, "req", "-new", "-key", "leaf.pem", "-subj", "/CN=Publisher", "-out", "leaf.csr")
    (folder / "leaf.ext").write_text("keyUsage=digitalSignature\n")
    openssl(folder, "x509", "-req", "-in", "leaf.csr", "-CA", "ca.crt", "-CAkey", "ca.pem", "-CAcreateserial", "-extfile", "leaf.ext",
            "-out", "leaf.crt")
    return folder


def refused(package, *options):
    ended = run("serve", package, "--port", "0", *options)
    assert ended.returncode not in (0, -6, -11) and "listening" not in ended.stderr, ended.stderr
    return ended.stderr


def test_a_certificate_signs_for_the_public_tool_and_for_a_worker(package, keys, start):
    good("package", "sign", package, "--key", keys / "leaf.pem", "--certificate", keys / "leaf.crt")
    judged = tool("verify", "certificate", package, "--signature", package / "model.sig", "--certificate_chain", keys / "ca.crt")
    assert judged.returncode == 0, judged.stderr
    assert "signed by CN=Publisher" in good("package", "verify", package, "--trust", keys / "ca.crt")
    worker = start(package, "--trust", keys / "ca.crt").wait_ready()
    assert worker.post("/generate", {"x": 2})[0] == 200
    assert any("CN=Publisher" in line for line in worker.log)


def test_a_worker_serves_what_the_public_tool_signed(package, keys, start):
    signed = tool("sign", "certificate", package, "--signature", package / "model.sig", "--private_key", keys / "leaf.pem",
                  "--signing_certificate", keys / "leaf.crt", "--certificate_chain", keys / "ca.crt")
    assert signed.returncode == 0, signed.stderr
    start(package, "--trust", keys / "ca.crt").wait_ready()


def test_a_worker_refuses_what_its_authority_did_not_sign(package, keys):
    assert "there is no model.sig" in refused(package, "--trust", keys / "ca.crt")
    good("package", "sign", package, "--key", keys / "mine.pem")
    assert "signed with a bare key; certificates are trusted" in refused(package, "--trust", keys / "ca.crt")
    good("package", "sign", package, "--key", keys / "leaf.pem", "--certificate", keys / "leaf.crt")
    assert "the trusted key is a bare public key" in refused(package, "--trust", keys / "mine.pub")
    openssl(keys, "req", "-x509", "-new", "-key", "other.pem", "-subj", "/CN=Root", "-days", "2", "-out", "other.crt")
    assert "its certificate is not trusted" in refused(package, "--trust", keys / "other.crt")
    text = (package / "model.yaml").read_text()
    (package / "model.yaml").write_text(text + "# one more remark\n")
    assert "model.yaml: is not the file that was signed" in refused(package, "--trust", keys / "ca.crt")


def test_a_key_signs_only_with_its_own_certificate(package, keys):
    wrong = run("package", "sign", package, "--key", keys / "mine.pem", "--certificate", keys / "leaf.crt")
    assert wrong.returncode == 2 and "is not the certificate of the key" in wrong.stderr
    assert not (package / "model.sig").exists()


def attestation(package):
    (found,) = (package / "attestations").iterdir()
    return found


def test_an_attestation_is_signed_and_told_apart_when_it_is_not(package, keys):
    assert "unsigned" in good("package", "verify", package, "--reproducible")
    assert "bitwise, signed by nobody" in good("package", "inspect", package)
    assert "not believed: attestations/" in good("package", "inspect", package, "--trust", keys / "mine.pub")
    good("package", "verify", package, "--reproducible", "--key", keys / "mine.pem")
    assert "bitwise, signed by somebody; --trust says" in good("package", "inspect", package)
    assert "bitwise, signed by public key " in good("package", "inspect", package, "--trust", keys / "mine.pub")
    assert "not by the trusted" in good("package", "inspect", package, "--trust", keys / "other.pub")
    good("package", "verify", package, "--reproducible", "--key", keys / "leaf.pem", "--certificate", keys / "leaf.crt")
    assert "bitwise, signed by CN=Publisher" in good("package", "inspect", package, "--trust", keys / "ca.crt")


def test_an_attestation_about_another_package_is_said_to_be(package):
    good("package", "verify", package, "--reproducible")
    text = (package / "model.yaml").read_text()
    (package / "model.yaml").write_text(text.replace("As slowly", "As quickly").replace("as slowly", "as quickly"))
    said = good("package", "verify", package)
    assert "not believed" in said and "not about this package" in said


def head_of(worker):
    return worker.post("/generate", {"x": 2, "seed": 1})[1]["Serin-Reproducible"]


def test_the_answer_says_what_is_attested(package, keys, start):
    assert head_of(start(package).wait_ready()) == "unknown"
    good("package", "verify", package, "--reproducible", "--key", keys / "mine.pem")
    assert head_of(start(package).wait_ready()) == "bitwise"
    assert head_of(start(package, "--threads", "2").wait_ready()) == "unknown"  # another profile
    good("package", "sign", package, "--key", keys / "mine.pem")
    assert head_of(start(package, "--trust", keys / "mine.pub").wait_ready()) == "bitwise"
    good("package", "sign", package, "--key", keys / "other.pem")
    worker = start(package, "--trust", keys / "other.pub").wait_ready()
    assert head_of(worker) == "unknown"
    assert any("an attestation is not believed" in line for line in worker.log)
    attestation(package).write_text("{}")
    assert head_of(start(package).wait_ready()) == "unknown"


@pytest.mark.parametrize("name", ["glyphs", "prose", "spoken-digits", "blurbs", "motion"])
def test_an_example_is_attested_as_it_is(name):
    """Whoever seals one again also runs `serin package verify --reproducible` again, and removes attestations of before."""
    said = good("package", "inspect", ROOT / f"examples/{name}/package")
    assert "attested: cpu/" in said and "bitwise" in said and "not believed" not in said, said
