# SPDX-License-Identifier: Apache-2.0
"""The program as somebody at a terminal meets it."""
import hashlib
import pathlib
import shutil
import subprocess

import pytest

from worker import ROOT, SERIN


def run(*words, **options):
    return subprocess.run([SERIN, *map(str, words)], capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def package(tmp_path):
    """A copy of an example that a test may spoil."""
    return pathlib.Path(shutil.copytree(ROOT / "examples/glyphs/package", tmp_path / "glyphs"))


def test_the_program_links_no_framework():
    libraries = subprocess.run(["ldd", SERIN], capture_output=True, text=True, check=True).stdout
    assert "libssl" in libraries
    for framework in ("libtorch", "libc10", "libtensorflow", "libprotobuf"):
        assert framework not in libraries


def test_every_command_explains_itself():
    top = run("--help").stdout
    for command in ("serve", "gateway", "package", "key", "help", "completion", "man"):
        assert command in top
        assert run("help", command).stdout == run(command, "--help").stdout != ""


def test_topics_are_explained_and_an_unknown_one_is_an_error():
    assert "Serin-Seed" in run("help", "seeds").stdout
    assert "--certificate" in run("help", "trust").stdout
    wrong = run("help", "nonsense")
    assert wrong.returncode == 2 and "package, seeds, trust, errors, limits" in wrong.stderr


@pytest.mark.parametrize("words", [[], ["--nonsense"], ["serve"], ["package"], ["package", "nonsense"], ["serve", "x", "--port", "x"]])
def test_a_wrong_line_exits_with_2_and_says_why(words):
    answer = run(*words)
    assert answer.returncode == (2 if words else 0)
    assert "Traceback" not in answer.stderr and (answer.stderr or answer.stdout)


def test_completions_know_commands_and_options():
    bash = run("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=bash, text=True, check=True)
    script = bash + "\nCOMP_WORDS=(serin package ve); COMP_CWORD=2; _serin; echo ${COMPREPLY[@]}"
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split() == ["verify"]
    script = bash + "\nCOMP_WORDS=(serin serve --drain); COMP_CWORD=2; _serin; echo ${COMPREPLY[@]}"
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split() == ["--drain-within"]
    assert run("completion", "zsh").stdout.startswith("#compdef serin")
    assert "complete -c serin" in run("completion", "fish").stdout
    assert run("completion", "tcsh").returncode == 2


def test_the_manual_page_names_every_option():
    page = run("man").stdout.replace("\\-", "-")
    assert page.startswith(".TH SERIN 1")
    for word in ("serin serve", "--drain-within", "serin package verify", "--reproducible", "--trust"):
        assert word in page


def test_a_new_key_is_known_by_its_hash():
    key, digest = (line.split()[1] for line in run("key", "new").stdout.splitlines())
    assert hashlib.sha256(key.encode()).hexdigest() == digest
    assert run("key", "hash", input=key + "\n").stdout.strip() == digest


def test_verify_prints_the_digest_and_sees_one_changed_byte(package):
    good = run("package", "verify", package)
    assert good.returncode == 0 and good.stdout.startswith("sha256:")
    model = package / "model.pt"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    bad = run("package", "verify", package)
    assert bad.returncode == 1 and "model.pt" in bad.stderr


def test_pack_and_unpack_give_the_same_package(package, tmp_path):
    first, second = tmp_path / "a.serin", tmp_path / "b.serin"
    assert run("package", "pack", package, "-o", first).returncode == 0
    assert run("package", "pack", package, "-o", second).returncode == 0
    assert first.read_bytes() == second.read_bytes()
    out = run("package", "unpack", first, "-o", tmp_path / "out")
    assert out.stdout.split()[1] == run("package", "verify", package).stdout.split()[0]


def test_a_signature_is_checked_against_the_trusted_key(package, tmp_path):
    for name in ("mine", "other"):
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", tmp_path / name], check=True)
        subprocess.run(["openssl", "ec", "-in", tmp_path / name, "-pubout", "-out", tmp_path / f"{name}.pub"],
                       check=True, capture_output=True)
    assert run("package", "sign", package, "--key", tmp_path / "mine").returncode == 0
    assert "signed by" in run("package", "verify", package, "--trust", tmp_path / "mine.pub").stdout
    assert run("package", "verify", package, "--trust", tmp_path / "other.pub").returncode == 1
    refused = run("serve", package, "--port", "0", "--trust", tmp_path / "other.pub")
    assert refused.returncode == 1 and "listening" not in refused.stderr


def test_a_model_that_is_served_as_it_is_is_told_from_a_package(package):
    refused = run("serve", package / "model.pt", "--port", "0")
    assert refused.returncode == 2
    assert "model.pt: is a model (TorchScript), not a package; serin package import makes a package of it" in refused.stderr


def test_golden_requests_are_run_and_attested(package):
    ran = run("package", "verify", package, "--run", "--reproducible")
    assert ran.returncode == 0, ran.stderr
    assert "2 golden requests gave what they must" in ran.stdout
    assert "image: bitwise" in ran.stdout
    assert list((package / "attestations").iterdir())
    assert run("package", "verify", package).returncode == 0


def test_a_golden_request_without_expectation_is_said_to_have_run_and_no_more(package):
    shutil.rmtree(package / "golden")
    lines = (package / "model.yaml").read_text().splitlines(keepends=True)
    (package / "model.yaml").write_text("".join(line for line in lines if "expect:" not in line))
    assert run("package", "seal", package).returncode == 0
    ran = run("package", "verify", package, "--run").stdout
    assert "2 golden requests ran; nothing is recorded to compare with\n" in ran and "must" not in ran


def test_seal_golden_records_what_the_model_gives(package):
    before = run("package", "seal", package, "--golden").stdout  # on another processor the last bits are others
    assert run("package", "verify", package, "--run").stdout.startswith(before)
    for golden in (package / "golden").iterdir():
        golden.write_bytes(b"spoilt")
    assert run("package", "verify", package).returncode != 0
    assert run("package", "seal", package, "--golden").stdout == before


def test_inspect_says_what_a_package_is(package):
    text = run("package", "inspect", package).stdout
    for word in ("glyphs", "sha256:", "image-generation", "torch", "character"):
        assert word in text
