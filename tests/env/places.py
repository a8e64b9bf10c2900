# SPDX-License-Identifier: Apache-2.0
"""What those who start servers for tests share: where tools/setup puts what it makes, and whether a port listens."""
import os
import pathlib
import socket

CACHE = pathlib.Path(os.environ.get("SERIN_CACHE")
                     or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "serin")


def listens(address, port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((address, port)) == 0
