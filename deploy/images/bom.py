# SPDX-License-Identifier: Apache-2.0
"""What the files of an image are parts of: Debian's packages by dpkg, Python's wheels by their metadata, what is linked into the
program by its lists. As a bill of materials (CycloneDX 1.6), and the notices that go with what is given away."""
import dataclasses
import email
import json
import os
import pathlib
import subprocess
import tomllib
import urllib.parse
import uuid
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("SERIN_CACHE")
                     or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "serin")
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
# Headers alone, or linked statically: no file of the image is theirs.
COMPILED_IN = ["libboost1.81-dev", "libcli11-dev", "libexpected-dev", "libprotozero-dev"]


@dataclasses.dataclass
class Part:
    kind: str  # of package: deb, pypi, cargo, generic
    name: str
    version: str
    licence: str = ""  # as its own metadata has it
    notices: dict[str, bytes] = dataclasses.field(default_factory=dict)
    places: list[str] = dataclasses.field(default_factory=list)  # paths in the image

    def purl(self):
        vendor, query = ("debian/", "?arch=amd64&distro=debian-12") if self.kind == "deb" else ("", "")
        return f"pkg:{self.kind}/{vendor}{urllib.parse.quote(self.name)}@{urllib.parse.quote(self.version)}{query}"


def ask(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def debian_packages(names):
    """{name: Part}"""
    said = ask("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names)
    return {name: Part("deb", name, version, notices={"copyright": pathlib.Path(f"/usr/share/doc/{name}/copyright").read_bytes()})
            for name, version in map(str.split, said.splitlines())}


def debian_owners(paths):
    """{path: name of the package}. dpkg may know a file by the path that it had before /lib became a link to /usr/lib."""
    known = {form: path for path in paths for form in (str(path.resolve()), str(path.resolve()).removeprefix("/usr"))}
    said = [line.split(": ", 1) for line in ask("dpkg", "-S", *known).splitlines()]
    return {known[file]: owner.split(":")[0] for owner, file in said if file in known}


class Wheels:
    """Those that tools/setup has downloaded and unpacks libraries from."""

    def __init__(self):
        self.files = {}  # (file name, size): wheel
        for wheel in sorted((CACHE / "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for info in archive.infolist():
                    self.files.setdefault((info.filename.rsplit("/", 1)[-1], info.file_size), wheel)

    def package_of(self, path):
        wheel = self.files.get((path.name, path.stat().st_size))
        if wheel is None:
            return None
        with zipfile.ZipFile(wheel) as archive:
            about = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" in name and not name.endswith("/")}
        metadata = email.message_from_bytes(next(text for name, text in about.items() if name.endswith("/METADATA")))
        notices = {name.split("/", 1)[1].replace("/", "."): text for name, text in about.items()
                   if any(word in name.upper() for word in ("LICENSE", "NOTICE", "COPYING"))}
        licence = metadata["License-Expression"] or metadata["License"] or ""
        return Part("pypi", metadata["Name"].lower().replace("_", "-"), metadata["Version"], licence.split("\n")[0], notices)


def compiled_in():
    crates = tomllib.loads((ROOT / "text/Cargo.lock").read_text())["package"]
    return [*debian_packages(COMPILED_IN).values(),
            *(Part("cargo", crate["name"], crate["version"]) for crate in crates if "source" in crate)]


def parts_of(staged, installed):
    """Of {path in the image: path here}. What is installed and of no wheel is Serin's own, and not among them."""
    wheels, parts = Wheels(), {}
    owners = debian_owners([source for source in staged.values() if not source.is_relative_to(installed)])
    owners[AUTHORITIES] = "ca-certificates"  # which makes it when it is installed
    packages = debian_packages(set(owners.values()))
    for place, source in staged.items():
        part = wheels.package_of(source) if source.is_relative_to(installed) else packages[owners[source]]
        if part is not None:
            parts.setdefault(part.purl(), part).places.append(f"/{place}")
    for part in compiled_in():
        parts.setdefault(part.purl(), part)
    return [parts[purl] for purl in sorted(parts)]


def notices(parts):
    """{path: content} of the licences that must go with the files."""
    return {f"{part.name}/{name}": text for part in parts if part.places for name, text in part.notices.items()}


def component(part):
    made = {"type": "library", "bom-ref": part.purl(), "name": part.name, "version": part.version, "purl": part.purl()}
    if part.licence:
        made["licenses"] = [{"license": {"name": part.licence}}]
    if part.places:
        made["evidence"] = {"occurrences": [{"location": place} for place in sorted(part.places)]}
    return made


def document(parts, version, date):
    """The same bytes for the same parts."""
    own = f"pkg:generic/serin@{version}"
    about = {"type": "application", "bom-ref": own, "name": "serin", "version": version, "purl": own,
             "licenses": [{"license": {"id": "Apache-2.0"}}]}
    components = [component(part) for part in parts]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([about, components, date]))
    return json.dumps({"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
                       "serialNumber": f"urn:uuid:{serial}", "version": 1,
                       "metadata": {"timestamp": date, "component": about},
                       "components": components,
                       "dependencies": [{"ref": own, "dependsOn": [part.purl() for part in parts]}]}, indent=1).encode() + b"\n"
