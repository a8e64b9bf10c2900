# SPDX-License-Identifier: Apache-2.0
"""Signatures that the public model_signing tool reads and writes."""

import subprocess
import sys

import pytest


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def tool(*words, fails=False):
    done = subprocess.run([sys.executable, "-m", "model_signing", *map(str, words)], capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=["P-256", "P-384"])
def key(request, tmp_path):
    openssl(tmp_path, "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{request.param}", "-out", "key.pem")
    openssl(tmp_path, "pkey", "-in", "key.pem", "-pubout", "-out", "key.pub")
    return tmp_path / "key.pem", tmp_path / "key.pub"


@pytest.fixture
def chain(tmp_path):
    (tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
    (tmp_path / "leaf.ext").write_text("keyUsage=digitalSignature\n")
    for name in ("ca", "middle", "leaf"):
        openssl(tmp_path, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.pem")
    openssl(tmp_path, "req", "-x509", "-new", "-key", "ca.pem", "-subj", "/CN=Root", "-days", "2", "-out", "ca.crt")
    for name, by, extensions in (("middle", "ca", "ca"), ("leaf", "middle", "leaf")):
        openssl(tmp_path, "req", "-new", "-key", f"{name}.pem", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        openssl(
            tmp_path, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.pem", "-CAcreateserial",
            "-extfile", f"{extensions}.ext", "-out", f"{name}.crt",
        )
    return tmp_path


def test_the_tool_verifies_what_serin_signs(driver, package, key):
    driver("sign", package, key[0])
    tool("verify", "key", package, "--signature", package / "model.sig", "--public_key", key[1])
    (package / "model.pt").write_bytes(b"WEIGHTS")
    tool("verify", "key", package, "--signature", package / "model.sig", "--public_key", key[1], fails=True)


def test_the_tool_lets_attestations_come_later(driver, package, key):
    driver("sign", package, key[0])
    (package / "attestations").mkdir()
    (package / "attestations/cpu.json").write_text("{}")
    tool("verify", "key", package, "--signature", package / "model.sig", "--public_key", key[1])


def test_serin_verifies_what_the_tool_signs(driver, package, key):
    tool("sign", "key", package, "--signature", package / "model.sig", "--private_key", key[0])
    assert driver("verify", package, key[1]).startswith("public key ")
    (package / "model.pt").write_bytes(b"WEIGHTS")
    driver("seal", package)
    assert "is not the file that was signed" in driver("verify", package, key[1], fails=True)


def test_certificates_go_both_ways(driver, package, chain):
    driver("sign", package, chain / "leaf.pem", chain / "leaf.crt", chain / "middle.crt")
    tool("verify", "certificate", package, "--signature", package / "model.sig", "--certificate_chain", chain / "ca.crt")
    (package / "model.sig").unlink()
    tool(
        "sign", "certificate", package, "--signature", package / "model.sig", "--private_key", chain / "leaf.pem",
        "--signing_certificate", chain / "leaf.crt", "--certificate_chain", chain / "middle.crt",
    )
    assert driver("verify", package, chain / "ca.crt").strip() == "CN=leaf"
