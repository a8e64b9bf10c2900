# SPDX-License-Identifier: Apache-2.0
"""The short descriptions of Debian's packages, as "section: description", and their split.

They come from the package lists that `apt-get update` fetches. A source package with all that is
built from it is either training text or held out, never both.
"""

import hashlib
import re
import subprocess

HELD_OUT_SHARE = 32  # one source package of so many is held out
MOST_OF_A_SOURCE = 4  # descriptions; the rest are mostly the same words again
FIELD = re.compile(r"^(Package|Source|Section|Description(?:-en)?): (.*)$", re.MULTILINE)


def packages():
    """(source package, section, description) of every package that apt knows, in apt's order."""
    listed = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True).stdout
    for entry in listed.decode("utf-8", "replace").split("\n\n"):
        fields = dict(FIELD.findall(entry))
        description = fields.get("Description", fields.get("Description-en"))
        if description and "Section" in fields:
            source = fields.get("Source", fields["Package"]).split()[0]
            yield source, fields["Section"].split("/")[-1], " ".join(description.split())


def _held_out(source):
    digest = hashlib.blake2b(source.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_SHARE == 0


def documents():
    """Training texts and held-out texts, two lists of str; no description occurs twice."""
    seen, of_source = set(), {}
    training, held_out = [], []
    for source, section, description in sorted(packages()):
        if description in seen or of_source.get(source, 0) == MOST_OF_A_SOURCE:
            continue
        seen.add(description)
        of_source[source] = of_source.get(source, 0) + 1
        chosen = held_out if _held_out(source) else training
        chosen.append(f"{section}: {description}")
    return training, held_out
