# SPDX-License-Identifier: Apache-2.0
"""What a worker refuses or ends by an option: deadlines, bodies, keys, TLS."""
import concurrent.futures
import hashlib
import json
import pathlib
import socket
import ssl
import subprocess
import time

import pytest

from worker import SERIN, SLOW
from wire import error_of, exchange, request


def test_a_request_whose_deadline_passed_in_the_queue_is_not_run(slow):
    before = slow.metric("serin_batch_rows_count")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(slow.post, "/generate", {"seconds": 3})
        assert slow.until("serin_requests_running", 1)
        status, _, body = slow.post("/generate", {"seconds": 1000}, {"Serin-Timeout": "50ms"})
        assert (status, error_of(body)["code"]) == (504, "deadline_exceeded")
        assert busy.result()[0] == 200
    assert slow.until("serin_requests_running", 0) and slow.until("serin_requests_waiting", 0)
    assert slow.metric("serin_batch_rows_count") > before, "the one that was late would run on for minutes"


def test_a_worker_s_own_deadline_is_for_requests_without_one(start):
    worker = start(SLOW, "--timeout", "0.2").wait_ready()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        busy = pool.submit(worker.post, "/generate", {"seconds": 3}, {"Serin-Timeout": "60s"})
        assert worker.until("serin_requests_running", 1)
        assert worker.post("/generate", {})[0] == 504
        assert busy.result()[0] == 200


def test_a_body_over_the_limit_is_413_also_when_it_comes_in_chunks(start):
    worker = start(SLOW, "--max-body-mb", "1").wait_ready()
    status, _, body = exchange(worker, request("POST", "/generate", headers={"Content-Length": str(2 << 20)}))
    assert (status, error_of(body)["code"]) == (413, "body_too_large")
    raw = request("POST", "/generate", headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    raw += b"".join(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(20))
    assert exchange(worker, raw)[0] == 413
    assert worker.post("/generate", {})[0] == 200


def test_a_client_without_a_key_is_refused_but_health_is_open(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text(f"# two customers\n{hashlib.sha256(b'one').hexdigest()}\n{hashlib.sha256(b'two').hexdigest()}  # the second\n")
    worker = start(SLOW, "--key-file", str(keys)).wait_ready()
    for headers in ({}, {"Authorization": "Bearer three"}, {"Authorization": "Bearer "}, {"Authorization": "one"}):
        status, head, body = worker.post("/generate", {}, headers)
        assert (status, error_of(body)["code"], head["WWW-Authenticate"]) == (401, "invalid_api_key", "Bearer"), headers
    for key in ("one", "two"):
        assert worker.post("/generate", {}, {"Authorization": f"Bearer {key}"})[0] == 200
    assert worker.get("/v1/models")[0] == 401 and worker.get("/v2")[0] == 401
    for path in ("/health/live", "/health/ready", "/health/startup", "/metrics", "/v2/health/ready"):
        assert worker.get(path)[0] == 200, path


def test_a_key_file_that_holds_keys_in_the_clear_is_refused(tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    ended = subprocess.run([SERIN, "serve", SLOW, "--port", "0", "--key-file", tmp_path / "keys"], capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0 and "SHA-256" in ended.stderr and "keys:1" in ended.stderr


def test_tls_is_1_2_and_up_and_speaks_http2_by_alpn(start, localhost):
    worker = start(SLOW, *localhost.options)
    url = f"https://localhost:{worker.port}/health/ready"
    curl = ["curl", "-sS", "--cacert", localhost.authority, "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    deadline = time.monotonic() + 60
    while not (ended := subprocess.run([*curl, url], capture_output=True, text=True)).stdout.startswith("200"):
        assert time.monotonic() < deadline, ended
        time.sleep(0.1)
    assert ended.stdout == "200 2"
    assert subprocess.run([*curl, "--http1.1", url], capture_output=True, text=True).stdout == "200 1.1"
    old = ssl.create_default_context(cafile=localhost.authority)
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with socket.create_connection(("127.0.0.1", worker.port), 10) as plain, old.wrap_socket(plain, server_hostname="localhost"):
            pass
    assert subprocess.run([*curl, url], capture_output=True, text=True).stdout == "200 2"


def test_a_socket_in_the_file_system_is_served_too(start, tmp_path):
    path = tmp_path / "worker.sock"
    start(SLOW, "--socket", path).wait_ready()
    ended = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/health/ready"], capture_output=True, text=True)
    assert json.loads(ended.stdout)["status"] == "ready"
    assert path.stat().st_mode & 0o777 == 0o600
