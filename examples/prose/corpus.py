# SPDX-License-Identifier: Apache-2.0
"""Clean English prose out of the documentation that Debian ships.

`build` downloads packages with `apt-get download`, reads them without installing or unpacking
them, and gives documents: plain ASCII, one paragraph a line, paragraphs parted by an empty line.
What is not running English (code, tables, option lists, licences, other languages) is dropped, as
is what stands in an earlier document already. Whole documents are held out for the judge.
"""

import gzip
import hashlib
import html
import io
import re
import subprocess
import tarfile
from pathlib import Path

# Documents end at about this many bytes: a long manual becomes several.
DOCUMENT_BYTES = 6000
# No package gives more text than this, so that no single voice prevails.
PACKAGE_BYTES = 1_200_000
FILE_BYTES = 4_000_000
# One document in so many is held out.
HELD_OUT = 50

PACKAGES = """
abs-guide ada-reference-manual-2012 amanda-common apache2-doc apcupsd-doc apt-doc aptitude-doc-en
aspell-doc asymptote-doc backuppc bacula-doc bind9-doc binutils-doc blends-doc borgbackup-doc
cinder-doc cmake-doc crawl-common cups-server-common dar-docs dbus-1-doc debian-edu-doc-en
debian-faq debian-history debian-kernel-handbook debian-policy debian-reference-en
developers-reference doc-debian docbook-xsl-doc-html docutils-doc dovecot-core duplicity erlang-doc
exim4-doc-html fai-doc flex-doc fortunes freebsd-manpages freeciv-data ganeti-doc gap-doc gcl-doc
gettext-doc ghc-doc git-doc glance-doc gnome-devel-docs gnome-user-docs gnuchess gnumeric-doc
gnuplot-doc gri-html-doc guile-3.0-doc haskell98-report heat-doc icinga2-doc
installation-guide-amd64 iproute2-doc ironic-doc jargon-text jython-doc keystone-doc krb5-doc ledger
lemonldap-ng-doc libboost1.74-doc libtool-doc libxml2-doc lilypond-doc-html linux-doc-6.1 lyx-common
maint-guide manpages-dev manpages mapserver-doc maxima-doc mercurial-common miscfiles monit
munin-doc mutt nethack-common neutron-doc nim-doc nodejs-doc nova-doc ntpsec-doc nut-doc octave-doc
pari-doc perl-doc pike8.0-doc postfix-doc postgresql-doc-15 povray-doc proftpd-doc python-celery-doc
python-django-doc python-flask-doc python-jinja2-doc python-mako-doc python-requests-doc
python-sqlalchemy-doc python-tornado-doc python3.11-doc qalc qtcreator-doc qtdeclarative5-doc-html
r-doc-html racket-doc restic rrdtool rust-doc samba-common sbcl-doc sciteproj selinux-policy-doc
shorewall-doc slrn slurm-wlm-doc snmp sqlite3-doc sudo sunflow swi-prolog-doc swift-doc tcl8.6-doc
tor valgrind vim-doc vim-runtime xorg-docs zim zsh-doc
""".split()

_STOPWORDS = frozenset("""
the of to a and is in that it you for be are as this with or on not can by if from an have will your
which but was at they we has when all there more one he his i so
""".split())
_ASCII = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "--",
    "\u2026": "...", "\u00a0": " ", "\u2010": "-", "\u2011": "-", "\u00ad": "", "\u200b": "",
    "\u2212": "-", "`": "'",
})
_FORBIDDEN = re.compile(r"[{}<>=\\|~^@#$%_*\[\]+\x00]|://|::|\(\)|&\w|\B--\w|\.\w*/|/\w+/")
_LICENCE = re.compile(r"warrant|redistribut|copyright|licen[sc]e|all rights|invariant sections",
                      re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")


def is_prose(paragraph):
    """Whether a paragraph, on one line, is running English."""
    if not 70 <= len(paragraph) <= 2500 or not paragraph.isascii():
        return False
    if paragraph[-1] not in ".!?:\"')" or not (paragraph[0].isupper() or paragraph[0] in "\"'("):
        return False
    if _FORBIDDEN.search(paragraph) or _LICENCE.search(paragraph):
        return False
    plain = sum(c.isalpha() or c in " ,.'" for c in paragraph)
    words = _WORD.findall(paragraph)
    if plain < 0.94 * len(paragraph) or len(words) < 12:
        return False
    lower = [w.lower() for w in words]
    if sum(w in _STOPWORDS for w in lower) < 0.27 * len(words):
        return False
    return sum(not w.islower() for w in words) < 0.25 * len(words)


# From a file's text to paragraphs: one reader for each kind of markup.

_BLOCK = re.compile(
    r"<(p|para|simpara|blockquote|dd|li)\b[^>]*>(.*?)"
    r"(?=</(?:p|para|simpara|blockquote|dd|li)>"
    r"|<(?:p|para|pre|ul|ol|dl|div|table|dd|dt|li|h[1-6]|programlisting|screen)\b)",
    re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def from_markup(text):
    """Paragraphs of HTML, DocBook or Mallard."""
    for match in _BLOCK.finditer(text):
        yield html.unescape(_TAG.sub("", match.group(2)))


def from_plain(text):
    """Paragraphs of plain text or Info: runs of lines parted by empty ones."""
    for block in re.split(r"\n[ \t]*\n|\x1f|\n(?=[-*] )", text):
        yield re.sub(r"(?<=\w)-\n\s*(?=[a-z])", "", block)


def from_fortunes(text):
    """Sayings parted by lines of %."""
    for block in re.split(r"\n%\n", text):
        yield block


def from_pod(text):
    """Paragraphs of Perl's documentation."""
    for block in re.split(r"\n\s*\n", text):
        if not block.startswith(("=", " ", "\t")):
            for _ in range(2):
                block = re.sub(r"[BCFISLX]<+\s?(?:[^<>|]*\|)?([^<>]*?)\s?>+", r"\1", block)
            yield block.replace("E<gt>", ">").replace("E<lt>", "<")


def from_roff(text):
    """Paragraphs of a manual page."""
    text = re.sub(r"\\f(\(..|\[.*?\]|.)", "", text)
    text = re.sub(r"^[.'](?:B|I|BR|IR|RB|RI|BI|IB|Nm|Xr|Em|Sq|Dq|Ar|Pa) +(.*)$",
                  lambda m: m.group(1).replace('"', ""), text, flags=re.MULTILINE)
    text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "").replace("\\(em", "--")
    for block in re.split(r"^(?:[.'].*|\s*)$", text, flags=re.MULTILINE):
        yield block


_READERS = [
    (re.compile(r"games/fortunes/[a-z-]+$"), from_fortunes),
    (re.compile(r"\.(x?html?|page|docbook|xml)$"), from_markup),
    (re.compile(r"\.(pod)$"), from_pod),
    (re.compile(r"/man/man\d/.*\.\d\w*$"), from_roff),
    (re.compile(r"\.(txt|info(-\d+)?|rst|text|md)$|/(README|FAQ|jargon|NEWS|HOWTO)[^/.]*$"
                r"|/misc/[^/]*$"), from_plain),
]
_SKIPPED = re.compile(
    r"copyright$|changelog|license|licence|/locale/|COPYING|LICEN"
    r"|[/._-](de|fr|es|it|ja|pt|pt[_-]br|ru|zh|zh[_-]cn|zh[_-]tw|nl|ko|ca|cs|pl|sv|da|nb|fi|hu|el|tr"
    r"|uk|ro|sl|sk|vi|ar|id|eu|gl|lt)([/.]|$)", re.IGNORECASE)


def package_files(archive):
    """Pairs of path and text for each file of a .deb that a reader understands."""
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], check=True,
                              stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
        for member in tar:
            path = member.name[1:]
            plain = path.removesuffix(".gz")
            if not member.isfile() or member.size > FILE_BYTES or _SKIPPED.search(path):
                continue
            reader = next((r for pattern, r in _READERS if pattern.search(plain)), None)
            if reader is None:
                continue
            data = tar.extractfile(member).read()
            if path.endswith(".gz"):
                data = gzip.decompress(data)
            yield plain, reader(data[:FILE_BYTES].decode("utf-8", errors="replace"))


def clean(paragraph):
    """One paragraph on one line, typographic marks made ASCII."""
    line = " ".join(paragraph.translate(_ASCII).split())
    return line.replace("''", '"').replace(" ,", ",").replace(" .", ".")


class Seen:
    """Runs of eight words of all text so far: what repeats them is not new."""

    def __init__(self):
        self._runs = set()

    def is_new(self, paragraph):
        words = _WORD.findall(paragraph.lower())
        runs = [hash(tuple(words[i:i + 8])) for i in range(max(len(words) - 7, 1))]
        known = sum(r in self._runs for r in runs)
        self._runs.update(runs)
        return known <= 0.2 * len(runs)


def package_documents(archive, seen):
    """The documents, as bytes, of one package."""
    total = 0
    for _, paragraphs in package_files(archive):
        lines, size = [], 0
        for paragraph in paragraphs:
            line = clean(paragraph)
            if is_prose(line) and seen.is_new(line):
                lines.append(line)
                size += len(line) + 2
                if size >= DOCUMENT_BYTES:
                    yield "\n\n".join(lines).encode()
                    total, lines, size = total + size, [], 0
        if size >= 300:
            yield "\n\n".join(lines).encode()
            total += size
        if total >= PACKAGE_BYTES:
            return


def download(folder):
    """Fetches the packages that `folder` lacks; those that the mirror lacks are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    have = {path.name.split("_")[0] for path in folder.glob("*.deb")}
    for package in PACKAGES:
        if package not in have:
            subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=False)


def build(work):
    """Writes `train.txt` and `held_out.txt` under `work`: documents that end with a NUL byte."""
    work = Path(work)
    download(work / "debs")
    seen = Seen()
    with open(work / "train.txt", "wb") as training, open(work / "held_out.txt", "wb") as held_out:
        for archive in sorted((work / "debs").glob("*.deb")):
            size = 0
            for document in package_documents(archive, seen):
                chosen = int.from_bytes(hashlib.sha256(document).digest()[:4], "big") % HELD_OUT
                (training if chosen else held_out).write(document + b"\0")
                size += len(document)
            print(f"{archive.name.split('_')[0]:32} {size:9} bytes", flush=True)


def load(path):
    """The documents of a file that `build` wrote."""
    return [d for d in Path(path).read_bytes().split(b"\0") if d]


if __name__ == "__main__":
    import sys

    build(sys.argv[1])
