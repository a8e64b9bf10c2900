# SPDX-License-Identifier: Apache-2.0
"""Bytes on a connection, for what clients' libraries would not send or would not show."""
import json
import socket
import time


def error_of(body):
    return json.loads(body)["error"]


def events(body):
    """Server-sent events as (name, data) pairs; data that is JSON is parsed."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        if not lines:
            continue
        fields = dict(line.split(": ", 1) for line in lines)
        data = fields["data"]
        found.append((fields.get("event", "message"), data if data == "[DONE]" else json.loads(data)))
    return found


def request(method, path, body=b"", headers=None):
    """One request of HTTP/1.1; `Host` and `Content-Length` are added unless given."""
    fields = {"Host": "localhost", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def exchange(worker, raw, timeout=30):
    """Sends bytes; status, headers and body of what comes back. Reads to Content-Length or the end."""
    with socket.create_connection(("127.0.0.1", worker.port), timeout=timeout) as connection:
        try:
            connection.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may have come before all was sent
        return read_answer(connection)


def read_answer(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError(f"closed after {received!r}")
        received += piece
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    length = int(headers.get("content-length", 1 << 60))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return int(lines[0].split(" ")[1]), headers, body


def open_stream(worker, path, fields, headers=None):
    """A connection on which a streamed answer has begun."""
    connection = worker.connect()
    connection.sendall(request("POST", path, json.dumps(fields).encode(), headers))
    first = b""
    while b"data: " not in first:
        piece = connection.recv(65536)
        assert piece, first
        first += piece
    return connection, first


def drain(connection, first=b""):
    """The rest of an answer, to the end of its chunks or of the connection."""
    connection.settimeout(60)
    deadline = time.monotonic() + 60
    while not first.endswith(b"0\r\n\r\n") and time.monotonic() < deadline:
        piece = connection.recv(65536)
        if not piece:
            break
        first += piece
    return first


def chunks(raw):
    """The body of a chunked answer."""
    body, rest = b"", raw.split(b"\r\n\r\n", 1)[1]
    while rest:
        size, rest = rest.split(b"\r\n", 1)
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2:]
        if length == 0:
            break
    return body
