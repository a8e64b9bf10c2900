# SPDX-License-Identifier: Apache-2.0
"""Who may enter: tokens that PyJWT made and keys that `serin key` made, at a real gateway before a server that says who came."""
import hashlib
import http.server
import json
import ssl
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from gateway import Gateway, service
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from worker import until

ISSUER = "https://id.example"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = {"RS256": (RSA, RSAAlgorithm), "PS256": (RSA, RSAAlgorithm), "ES256": (ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
        "EdDSA": (ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm)}


def jwk(algorithm):
    private, kind = KEYS[algorithm]
    return {**json.loads(kind.to_jwk(private.public_key())), "kid": algorithm, "alg": algorithm, "use": "sig"}


def token(algorithm, key=None, headers=None, **claims):
    made = {"iss": ISSUER, "aud": "serin", "sub": "ada", "exp": int(time.time()) + 600, **claims}
    return jwt.encode({k: v for k, v in made.items() if v is not None}, key or KEYS[algorithm][0], algorithm=algorithm,
                      headers={"kid": algorithm, **(headers or {})})


class JsonHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server:
    """Answers every request with its fields."""

    def __init__(self):
        class Handler(JsonHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.answer(200, {k.lower(): v for k, v in self.headers.items()})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk(algorithm) for algorithm in KEYS]}))
    write_keys(tmp_path, "first")
    return tmp_path


@pytest.fixture
def gateway(folder):
    server = Server()
    closed = service("a", {"label": "v1", "replicas": [{"id": "r0", "url": server.url}]})
    closed["access"] = {"keyFile": str(folder / "keys.yaml"),
                        "jwtRules": [{"issuer": ISSUER, "audiences": ["serin"], "jwksFile": str(folder / "jwks.json")}]}
    made = Gateway(folder, closed)
    yield made.wait_ready()
    made.stop()
    server.stop()


def write_keys(folder, secret, more=""):
    (folder / "keys.yaml").write_text(f"keys:\n- name: team\n  hashes: [{hashlib.sha256(secret.encode()).hexdigest()}]\n{more}")


def enter(gateway, proof):
    """The status, and the error's code or what the worker saw."""
    status, _, body = gateway.post("/generate", {}, headers={"Authorization": f"Bearer {proof}"})
    answer = json.loads(body)
    return status, answer["error"]["code"] if "error" in answer else answer


@pytest.mark.parametrize("algorithm", KEYS)
def test_tokens_of_every_algorithm_open_the_door(gateway, algorithm):
    status, seen = enter(gateway, token(algorithm))
    assert status == 200
    assert "authorization" not in seen


def test_tokens_that_are_not_right_do_not(gateway):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = token("EdDSA")
    for proof in (token("RS256", key=other), token("RS256", headers={"kid": "PS256"}), token("RS256", iss="https://other.example"),
                  token("RS256", aud="other"), token("RS256", exp=None), token("RS256", nbf=int(time.time()) + 3600),
                  jwt.encode({"iss": ISSUER, "aud": "serin", "exp": time.time() + 600}, "", algorithm="none"),
                  jwt.encode({"iss": ISSUER, "aud": "serin", "exp": time.time() + 600}, "x" * 64, algorithm="HS256"),
                  good[:-2], good.replace(".", "..", 1)):
        status, code = enter(gateway, proof)
        assert (status, code) in ((401, "invalid_token"), (401, "invalid_api_key")), proof
    assert enter(gateway, token("ES256", exp=int(time.time()) - 3600)) == (401, "expired_token")
    assert enter(gateway, token("ES256", headers={"kid": "new"})) == (401, "unknown_token_key")


class Issuer(JsonHandler):
    """An OpenID provider's two documents."""

    def do_GET(self):
        issuer = f"https://localhost:{self.server.server_port}"
        pages = {"/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": issuer + "/keys"}, "/keys": {"keys": [jwk("ES256")]}}
        self.answer(200 if self.path in pages else 404, pages.get(self.path, {}))


def test_an_issuer_says_itself_where_its_keys_are(tmp_path, localhost, request):
    issuer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    request.addfinalizer(issuer.server_close)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(localhost.options[1], localhost.options[3])
    issuer.socket = context.wrap_socket(issuer.socket, server_side=True)
    threading.Thread(target=issuer.serve_forever, daemon=True).start()
    request.addfinalizer(issuer.shutdown)
    name = f"https://localhost:{issuer.server_port}"
    server = Server()
    request.addfinalizer(server.stop)
    closed = service("a", {"label": "v1", "replicas": [{"id": "r0", "url": server.url}]})
    closed["access"] = {"jwtRules": [{"issuer": name, "audiences": ["serin"]}]}
    gateway = Gateway(tmp_path, closed, environment={"SSL_CERT_FILE": str(localhost.authority)})
    request.addfinalizer(gateway.stop)
    gateway.wait_ready()
    assert until(lambda: enter(gateway, token("ES256", iss=name))[0] == 200)
    assert enter(gateway, token("ES256", iss=name + "/")) == (401, "invalid_token")


def test_keys_are_changed_without_a_restart(gateway, folder):
    assert enter(gateway, "first")[0] == 200
    write_keys(folder, "second")
    assert until(lambda: enter(gateway, "second")[0] == 200)
    assert enter(gateway, "first") == (401, "invalid_api_key")
    (folder / "keys.yaml").write_text("keys: [nonsense")
    time.sleep(1.5)  # the gateway looks once a second
    assert enter(gateway, "second")[0] == 200, "a file with a mistake changes nothing"


def test_a_quota_outlives_a_gateway_that_is_killed(folder, request):
    while time.time() % 86_400 > 86_340:  # quotas begin anew at midnight
        time.sleep(1)
    write_keys(folder, "first", "  limits: {requestsPerDay: 30}\n")
    server = Server()
    request.addfinalizer(server.stop)
    closed = service("a", {"label": "v1", "replicas": [{"id": "r0", "url": server.url}]})
    closed["access"] = {"keyFile": str(folder / "keys.yaml")}
    kept = ("--evidence", str(folder / "evidence"))

    def started():
        gateway = Gateway(folder, closed, options=kept)
        request.addfinalizer(gateway.stop)
        return gateway.wait_ready()

    for _ in range(3):
        gateway = started()
        assert [enter(gateway, "first")[0] for _ in range(10)] == [200] * 10
        gateway.process.kill()
        gateway.process.wait()
    with open(folder / "evidence/quotas", "a") as quotas:
        quotas.write('1 0123456789abcdef {"day":')  # as one that was torn
    assert enter(started(), "first") == (429, "quota_exceeded")


def test_a_key_is_held_to_its_limits(gateway, folder):
    write_keys(folder, "second", "  limits: {requestsPerMinute: 2}\n")
    assert until(lambda: enter(gateway, "second")[0] == 200)
    assert enter(gateway, "second")[0] == 200
    assert enter(gateway, "second") == (429, "rate_limited")
    assert gateway.metric("serin_gateway_refused_total", service="a", code="rate_limited") == 1
    assert gateway.get("/metrics")[0] == 403, "names and load of services that ask who enters are nobody's business"
