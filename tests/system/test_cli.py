# SPDX-License-Identifier: Apache-2.0
"""The program as somebody at a terminal meets it."""
import hashlib
import json
import os
import pathlib
import re
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
    assert run("help").stdout.startswith(top.rstrip()) and "Topics: " in run("help").stdout
    for command in ("serve", "gateway", "package", "image", "key", "help", "completion", "man"):
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


@pytest.mark.parametrize("words,meant", [
    (["serv"], 'serin has no command "serv"; did you mean serve?'),
    (["serv", "package", "--port", "1"], 'serin has no command "serv"; did you mean serve?'),
    (["--log-level", "info", "pakage", "verify", "x"], 'serin has no command "pakage"; did you mean package?'),
    (["package", "verfy", "x"], 'serin package has no command "verfy"; did you mean verify?'),
    (["serve", "x", "--prot", "5000"], "serin serve has no option --prot; did you mean --port?"),
    (["serve", "x", "--devise=cpu"], "serin serve has no option --devise; did you mean --device?"),
    (["serve", "x", "--log-levl", "info"], "serin serve has no option --log-levl; did you mean --log-level?"),
    (["help", "seds"], 'there is no command and no topic "seds"; did you mean seeds?'),
    (["help", "package", "verfy"], 'serin package has no command "verfy"; did you mean verify?'),
    (["xylophone"], 'serin has no command "xylophone"; it has serve, '),
    (["serve", "x", "--xylophone"], "serin serve has no option --xylophone; `serin serve --help` lists what it has"),
])
def test_a_typo_is_answered_with_what_was_meant(words, meant):
    answer = run(*words)
    assert answer.returncode == 2 and meant in answer.stderr and answer.stderr.startswith("serin: "), answer.stderr


@pytest.mark.parametrize("words,said", [
    (["package", "new", "x"], "serin package new needs --task audio-generation|image-generation|inference|text-generation|video-generation: "),
    (["package", "new", "x", "--task", "image-gen", "--engine", "torch"],
     'serin package new --task: must be audio-generation, image-generation, inference, text-generation or video-generation, not "image-gen"'),
    (["package", "new", "x", "--task", "1", "--engine", "torch"], 'or video-generation, not "1"'),
    (["serve", "x", "--log-level", "warn"], 'serin serve --log-level: must be debug, info, warning or error, not "warn"'),
    (["serve", "x", "--port", "99999"], 'serin serve --port: must be from 0 to 65535, not "99999"'),
    (["up", "--port", "99999"], 'serin up --port: must be from 0 to 65535, not "99999"'),
    (["up", "--metrics-port", "-1"], 'serin up --metrics-port: must be from 0 to 65535, not "-1"'),
    (["gateway", "--port", "99999"], 'serin gateway --port: must be from 0 to 65535, not "99999"'),
    (["load", "x", "--duration", "5"], 'serin load --duration: must be a duration, such as 250ms, 90s, 10m or 7d, not "5"'),
    (["serve", "x", "--port", "1.5"], 'serin serve --port: must be a whole number, not "1.5"'),
    (["serve", "x", "--port", "1", "--port", "2"], "serin serve takes --port once"),
    (["serve", "x", "--queue", "-1"], 'serin serve --queue: must be 0 or more, not "-1"'),
    (["serve", "x", "--queue-cost", "0"], 'serin serve --queue-cost: must be more than 0, not "0"'),
    (["serve", "x", "--unsent-bytes", "5q"], 'serin serve --unsent-bytes: must be a number of bytes, such as 65536, 64KiB or 2GiB, not "5q"'),
    (["serve", "x", "--unsent-bytes", "-1"], "serin serve --unsent-bytes: must be a number of bytes, "),
    (["serve", "x", "--no-port=x"], "serin serve --no-port takes no value"),
    (["serve", "x", "--device"], "serin serve --device needs auto|cpu|cuda:N"),
    (["serve", "x", "--tls-key", "/nowhere/key.pem"], "serin serve --tls-key: there is no file /nowhere/key.pem"),
    (["serve", "x", "--tls-key", "/"], "serin serve --tls-key: / is a folder, not a file"),
    (["serve", "x", "-z"], "serin serve has no option -z"),
    (["serve"], "serin serve needs package: NAME:VERSION, "),
    (["gateway", "--listen-fd", "3", "--port", "4"], "serin gateway takes --port or --listen-fd, not both"),
    (["package"], "serin package needs a command: new, import, "),
    (["package", "sign", "x"], "serin package sign needs --key FILE: "),
    (["package", "verify", "a", "b"], 'serin package verify takes no further "b"'),
])
def test_a_wrong_line_is_answered_with_what_would_be_right(words, said):
    answer = run(*words)
    assert (answer.returncode, answer.stdout) == (2, "") and answer.stderr.startswith("serin: serin "), answer.stderr
    assert said in answer.stderr and answer.stderr.count("\n") == 1


# What each shell answers for a line whose last word is not complete yet.

def bash_offers(folder, *words):
    script = run("completion", "bash").stdout + '\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _serin; printf "%s\\n" "${COMPREPLY[@]}"'
    return offered(["bash", "-c", script, "bash", "serin", *words], folder)


def zsh_offers(folder, *words):
    """As bashcompinit calls a function of bash's; which of its words begin right is zsh's own look."""
    script = ("autoload -U compinit && compinit -D -u && eval \"$SERIN_SCRIPT\" && words=(\"$@\") CURRENT=$# && "
              "COMP_WORDS=(\"$@\") COMP_CWORD=$((CURRENT - 1)) && () { emulate -L sh; setopt kshglob braceexpand ksharrays; _serin } && "
              "print -l -- $COMPREPLY")
    found = offered(["zsh", "-fc", script, "zsh", "serin", *words], folder, {"SERIN_SCRIPT": run("completion", "zsh").stdout})
    return {word for word in found if word.startswith(words[-1])}


def fish_offers(folder, *words):
    script = run("completion", "fish").stdout + '\ncomplete -C "$argv"'
    return {line.split("\t")[0].removesuffix("/") for line in offered(["fish", "--no-config", "-c", script, " ".join(["serin", *words])], folder)}


def offered(command, folder, environment=None):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, env={**os.environ, **(environment or {})})
    assert done.returncode == 0 and not done.stderr, done.stderr
    return {line.rstrip("/") for line in done.stdout.splitlines() if line}


TASKS = {"text-generation", "image-generation", "audio-generation", "video-generation", "inference"}


@pytest.mark.parametrize("offers", [bash_offers, zsh_offers, fish_offers])
def test_completions_offer_commands_options_and_what_each_takes(offers, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "packed.serin").touch()
    (tmp_path / "key.pem").touch()
    for words, expected in [
            (["package", "ve"], {"verify"}),
            (["serve", "--drain"], {"--drain-within"}),
            (["serve", "mine", "--drain"], {"--drain-within"}),
            (["package", "verify", "mine", "--repro"], {"--reproducible"}),
            (["serve", "--log-lev"], {"--log-level"}),
            (["serve", "mine", "--device", ""], {"auto", "cpu", "cuda:0"}),
            (["serve", "--sandbox", "o"], {"on", "off"}),
            (["package", "new", "x", "--task", ""], TASKS),
            (["package", "new", "x", "--engine", "t"], {"torch", "tensorflow"}),
            (["--log-format", ""], {"auto", "json", "text"}),
            (["serve", "--log-level", "w"], {"warning"}),
            (["completion", ""], {"bash", "zsh", "fish"}),
            (["help", "se"], {"serve", "seeds"}),
            (["serve", "--port", ""], set()),
            (["serve", ""], {"mine", "packed.serin"}),
            (["package", "sign", ""], {"mine"}),
            (["package", "sign", "mine", "--key", "k"], {"key.pem"}),
            (["package", "verify", "--trust", "key"], {"key.pem"})]:
        assert offers(tmp_path, *words) == expected, words
    assert offers(tmp_path, "key", "new", "--") >= {"--help"} and "--task" not in offers(tmp_path, "key", "new", "--")


def test_completions_are_for_three_shells():
    subprocess.run(["bash", "-n"], input=run("completion", "bash").stdout, text=True, check=True)
    assert run("completion", "zsh").stdout.startswith("#compdef serin")
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


def test_a_seal_that_fails_writes_nothing_and_a_verify_that_fails_says_no_digest(package, start):
    manifest = package / "model.yaml"
    text = manifest.read_text()
    bare = text[: text.index("golden:")]
    manifest.write_text(bare)
    refused = run("package", "seal", package, "--golden")
    assert refused.returncode == 2 and "has no golden request to record; add `golden:`" in refused.stderr
    assert manifest.read_text() == bare
    more = text.replace("labels: [sans,", "labels: [one more, another, sans,")  # than the model's embedding has rows
    more = more[: more.index("golden:")] + "golden:\n- request: {seed: 7, character: A, style: sans, steps: 1}\n"
    manifest.write_text(more)
    refused = run("package", "seal", package, "--golden")
    why = 'style: the model does not take "hand", the last of 10 labels: PyTorch: '
    assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    assert manifest.read_text() == more
    assert run("package", "seal", package).returncode == 0
    refused = run("package", "verify", package, "--run")
    assert refused.returncode == 1 and refused.stdout == "" and why in refused.stderr, refused.stderr
    # A worker that serves it nevertheless says in its log what the model failed at.
    worker = start(package).wait_ready()
    asked = {"seed": 7, "character": "A", "style": "hand", "steps": 1}
    assert worker.post("/generate", asked, {"X-Request-Id": "mine"})[0] == 500
    assert worker.stop() == 0
    entry, = (json.loads(line) for line in worker.log if "a request failed" in line)
    assert (entry["level"], entry["service"], entry["path"]) == ("warning", "glyphs", "/generate"), entry
    assert (entry["request_id"], entry["seed"]) == ("mine", 7) and entry["error"].startswith("PyTorch: "), entry


def test_inspect_says_who_signed_what_and_whether_it_is_believed(package, tmp_path):
    for name in ("mine", "other"):
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", tmp_path / name], check=True)
        subprocess.run(["openssl", "ec", "-in", tmp_path / name, "-pubout", "-out", tmp_path / f"{name}.pub"], check=True, capture_output=True)
    mine, other = tmp_path / "mine.pub", tmp_path / "other.pub"
    said = run("package", "inspect", package).stdout
    assert "signed:   no\n" in said and "attested: " in said
    assert run("package", "sign", package, "--key", tmp_path / "mine").returncode == 0
    assert "signed:   by somebody, 4 files, model.yaml among them; --trust says" in run("package", "inspect", package).stdout
    said = run("package", "inspect", package, "--trust", mine).stdout
    assert re.search(r"signed:   by public key [0-9a-f]+, 4 files, model.yaml among them\n", said), said
    assert "not believed: attestations/" in said  # the example's own is unsigned
    said = run("package", "inspect", package, "--trust", other)
    assert said.returncode == 0 and re.search(r"signed:   not believed: .*model.sig: .*not by the trusted", said.stdout), said.stdout
    (package / "model.yaml").write_text((package / "model.yaml").read_text() + "# one more remark\n")
    stale = "not believed: model.sig: model.yaml: is not the file that was signed; `serin package sign` signs what is there now\n"
    assert stale in run("package", "inspect", package).stdout
    assert stale in run("package", "verify", package).stdout
    unsigned = run("package", "verify", package, "--trust", mine)
    assert unsigned.returncode == 1 and unsigned.stdout == ""
    assert "model.yaml: is not the file that was signed" in run("package", "inspect", package, "--trust", mine).stdout


def test_inspect_says_what_a_package_is(package):
    text = run("package", "inspect", package).stdout
    for word in ("glyphs", "sha256:", "image-generation", "torch", "character"):
        assert word in text
