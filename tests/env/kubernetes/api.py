# SPDX-License-Identifier: Apache-2.0
"""Questions to what runs in the cluster. None, or False, is what one gets while it does not answer."""
import http.client
import json
import ssl
import urllib.request

import pki


def get(url, context=None):
    # Without the proxy that the environment may name: everything asked here is in this network namespace.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=5) as answer:
            return answer.read()
    except (OSError, http.client.HTTPException):
        return None


class ApiServer:
    """The API server as its administrator sees it, with the certificates in a folder of pki.make."""

    def __init__(self, folder):
        self.context = ssl.create_default_context(cafile=folder / "ca.crt")
        self.context.load_cert_chain(folder / "admin.crt", folder / "admin.key")

    def get(self, path):
        return get(pki.API_SERVER + path, self.context)

    def node_is_ready(self):
        node = json.loads(self.get(f"/api/v1/nodes/{pki.NODE}") or "{}")
        conditions = node.get("status", {}).get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
