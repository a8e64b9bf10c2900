# SPDX-License-Identifier: Apache-2.0
"""An OCI image layout, written and read by hand."""
import hashlib
import json

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Layout:
    def __init__(self, folder):
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data, kind):
        name = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / name).write_bytes(data)
        return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data)}

    def image(self, config, layers, name="v1", **fields):
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **fields}
        self.index(self.blob(json.dumps(manifest).encode(), MANIFEST), name)

    def index(self, descriptor, name="v1"):
        named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
