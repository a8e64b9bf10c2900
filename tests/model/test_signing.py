# SPDX-License-Identifier: Apache-2.0
"""Signatures that the public model_signing tool reads and writes."""

import datetime
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


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


class Authority:
    """A certificate and its key in PEM files; years say from when until when it is valid."""

    def __init__(self, folder, name, by=None, *, authority=True, may=("key_cert_sign",), extended=(), years=(2020, 2040)):
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.crt, self.pem = folder / f"{name}.crt", folder / f"{name}.pem"
        by = by or self
        builder = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(by.name).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.datetime(years[0], 1, 1)).not_valid_after(datetime.datetime(years[1], 1, 1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if may:
            names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                     "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
            builder = builder.add_extension(x509.KeyUsage(**{one: one in may for one in names}), critical=True)
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        self.crt.write_bytes(builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        self.pem.write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


class Chain:
    """root, middle and leaf; the arguments change one of them."""

    def __init__(self, folder, root=None, middle=None, leaf=None):
        self.root = Authority(folder, "root", **(root or {}))
        self.middle = Authority(folder, "middle", self.root, **(middle or {}))
        self.leaf = Authority(folder, "leaf", self.middle, **{"authority": False, "may": ("digital_signature",), **(leaf or {})})


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path)


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
    driver("sign", package, chain.leaf.pem, chain.leaf.crt, chain.middle.crt)
    tool("verify", "certificate", package, "--signature", package / "model.sig", "--certificate_chain", chain.root.crt)
    (package / "model.sig").unlink()
    tool(
        "sign", "certificate", package, "--signature", package / "model.sig", "--private_key", chain.leaf.pem,
        "--signing_certificate", chain.leaf.crt, "--certificate_chain", chain.middle.crt,
    )
    assert driver("verify", package, chain.root.crt).strip() == "CN=leaf"


CHAINS = {
    "as it should be": ({}, True),
    "extended usage for code": ({"leaf": {"may": (), "extended": (ExtendedKeyUsageOID.CODE_SIGNING,)}}, True),
    "a leaf that has ended since": ({"leaf": {"years": (2021, 2022)}}, True),
    "an authority that has ended since": ({"root": {"years": (2020, 2023)}, "leaf": {"years": (2022, 2040)}}, True),
    "an authority that had ended before": ({"root": {"years": (2020, 2021)}, "leaf": {"years": (2022, 2040)}}, False),
    "an authority that had not begun": ({"root": {"years": (2023, 2040)}, "leaf": {"years": (2022, 2040)}}, False),
    "a leaf for servers": ({"leaf": {"may": ("key_encipherment",), "extended": (ExtendedKeyUsageOID.SERVER_AUTH,)}}, False),
    "a leaf for nothing": ({"leaf": {"may": ()}}, False),
    "a middle that is no authority": ({"middle": {"authority": False}}, False),
    "a middle that may not sign certificates": ({"middle": {"may": ("digital_signature",)}}, False),
}

NOT_FOR_SIGNING = ("a leaf for servers", "a leaf for nothing")


@pytest.mark.parametrize("case", CHAINS)
def test_both_judge_a_chain_alike(driver, package, tmp_path, case):
    arguments, good = CHAINS[case]
    chain = Chain(tmp_path, **arguments)
    if case in NOT_FOR_SIGNING:  # the tool signs with them all the same
        assert "is not for signing" in driver("sign", package, chain.leaf.pem, chain.leaf.crt, chain.middle.crt, fails=True)
        tool(
            "sign", "certificate", package, "--signature", package / "model.sig", "--private_key", chain.leaf.pem,
            "--signing_certificate", chain.leaf.crt, "--certificate_chain", chain.middle.crt,
        )
    else:
        driver("sign", package, chain.leaf.pem, chain.leaf.crt, chain.middle.crt)
    tool("verify", "certificate", package, "--signature", package / "model.sig", "--certificate_chain", chain.root.crt, fails=not good)
    said = driver("verify", package, chain.root.crt, fails=not good)
    assert said.strip() == "CN=leaf" if good else "its certificate is not" in said


def test_both_refuse_another_authority_and_a_gap(driver, package, chain, tmp_path):
    (tmp_path / "other").mkdir()
    other = Chain(tmp_path / "other")  # of the same names, by other keys
    for signed_with, trusted in ((chain, other.root), (other, chain.root)):
        driver("sign", package, signed_with.leaf.pem, signed_with.leaf.crt, signed_with.middle.crt)
        tool("verify", "certificate", package, "--signature", package / "model.sig", "--certificate_chain", trusted.crt, fails=True)
        assert "its certificate is not trusted" in driver("verify", package, trusted.crt, fails=True)
    driver("sign", package, chain.leaf.pem, chain.leaf.crt)
    tool("verify", "certificate", package, "--signature", package / "model.sig", "--certificate_chain", chain.root.crt, fails=True)
    assert "its certificate is not trusted" in driver("verify", package, chain.root.crt, fails=True)
