# SPDX-License-Identifier: Apache-2.0
"""HTTP as strangers send it, against a running worker: bytes that two servers would read differently, and clients that are
slow or never read. What the server's parts do with each rule stands in src/net, row by row; h2spec in tests/net."""
import re
import socket
import threading
import time

import pytest

from worker import until
from wire import error_of, exchange, read_answer, request

# Behind each of them stands a second request, which must never be answered: whoever reads these otherwise would smuggle it in.
SECOND = b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /generate HTTP/1.1\r\nHost: x\r\n"
PAIRS = [
    ("a length and chunks", POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks and a length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}", 400),
    ("a list of lengths", POST + b"Content-Length: 2, 30\r\n\r\n{}", 400),
    ("a signed length", POST + b"Content-Length: +2\r\n\r\n{}", 400),
    ("chunked twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked with a vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("another coding last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501),
    ("a space before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks in HTTP/1.0", b"POST /generate HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded field", POST + b"X: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("a bare line feed in the fields", POST + b"X: 1\nContent-Length: 2\r\n\r\n{}", 400),
    ("a bare line feed at the end", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\n", 400),
    ("a bare carriage return", POST + b"X: 1\rContent-Length: 2\r\n\r\n{}", 400),
    ("a zero byte", POST + b"X: 1\x002\r\n\r\n", 400),
    ("a chunk extension with a line feed", POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk longer than it says", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n", 400),
    ("a chunk size with a sign", POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk that ends in a bare line feed", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n", 400),
    ("an address of another host", b"GET http://y/health/live HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("two hosts", b"GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ("a preface that is not HTTP/2's", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505),
]


def until_closed(connection):
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


@pytest.mark.parametrize("first,status", [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_what_two_servers_would_read_differently_is_refused_and_nothing_behind_it_is_served(slow, first, status):
    before = slow.metric("serin_requests_total", http_route="/v2")
    with slow.connect() as connection:
        connection.sendall(first + SECOND)
        answers = until_closed(connection)
    assert answers.startswith(b"HTTP/1.1 %d " % status), answers
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", answers)) == 1 and b"connection: close" in answers.lower()
    assert slow.metric("serin_requests_total", http_route="/v2") == before


def test_a_chunk_s_extensions_and_trailers_are_passed_over(slow):
    raw = request("POST", "/generate", headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    assert exchange(slow, raw + b'3;name="value"\r\n{"x\r\n5;a\r\n": 4}\r\n0\r\nX-Trailer: 1\r\n\r\n')[0] == 200


def test_requests_sent_ahead_are_answered_in_their_order(slow):
    with slow.connect() as connection:
        connection.sendall(b"".join(request("GET", f"/v1/models/{name}") for name in ("slow", "a", "slow", "b")) +
                           request("GET", "/health/live", headers={"Connection": "close"}))
        answers = until_closed(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"404", b"200", b"404", b"200"]


# Slow clients. A head has 10 seconds, from its first byte to its last.

def drip(connection, pieces):
    """Sends a byte now and then, for as long as somebody takes it."""
    for piece in pieces:
        try:
            connection.sendall(piece)
        except OSError:
            return
        time.sleep(0.2)


def test_a_head_that_comes_byte_by_byte_is_cut_off_and_holds_up_nobody(slow):
    with slow.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ")
        dripping = threading.Thread(target=drip, args=(connection, [b"a"] * 600), daemon=True)
        dripping.start()
        assert slow.post("/generate", {})[0] == 200
        connection.settimeout(100)
        status, _, body = read_answer(connection)
        assert (status, error_of(body)["code"]) == (408, "slow_client")


def test_a_hundred_half_requests_hold_up_nobody(slow):
    half = [slow.connect() for _ in range(100)]
    for i, connection in enumerate(half):
        connection.sendall((b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{" if i % 2 else b"POST /gen"))
    assert slow.post("/generate", {})[0] == 200 and slow.get("/health/ready")[0] == 200
    for connection in half:
        connection.close()
    assert slow.until("serin_connections_open", 1), "all but the one that asks are gone"


def test_clients_that_read_nothing_lose_nobody_else_s_time(typist):
    readers = []
    for seed in range(8):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", typist.port))
        body = b'{"prompt": "x", "stream": true, "n": 16, "max_tokens": 100, "seed": %d}' % seed
        connection.sendall(request("POST", "/v1/completions", body))
        readers.append(connection)
    assert until(lambda: typist.metric("serin_requests_running") == 8)
    assert typist.get("/health/ready")[0] == 200
    for connection in readers:
        connection.close()
    assert typist.until("serin_requests_running", 0) and typist.until("serin_requests_waiting", 0)
    assert typist.post("/generate", {"prompt": "x", "max_tokens": 1})[0] == 200
