# SPDX-License-Identifier: Apache-2.0
"""What happens to a service is told to a web address, signed, and to a command: in order, at least once, whoever is killed."""
import base64
import http.server
import json
import os
import threading

import openai
import pytest

QUICK = ("{interval: 1s, stepWeight: 90, analysis: {falsePromotion: 0.3, metrics: [{name: errorRate, margin: 30%}]}}")


def new_secret():
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class Receiver:
    """Takes POSTs, once `takes` is set; until then it refuses. What was taken must be signed with `secret`."""

    def __init__(self, secret):
        self.takes = threading.Event()
        self.refused, self.taken = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                # OpenAI's client verifies what Standard Webhooks describes.
                openai.OpenAI(api_key="none").webhooks.verify_signature(body, dict(self.headers), secret=secret)
                told = (self.headers["webhook-id"], json.loads(body)["type"])
                (outer.taken if outer.takes.is_set() else outer.refused).append(told)
                self.send_response(204 if outer.takes.is_set() else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def once(told):
    """Without what came again right away."""
    return [one for i, one in enumerate(told) if i == 0 or told[i - 1] != one]


def test_everybody_is_told_of_everything_though_the_control_plane_is_killed(own_up, models, tmp_path, request):
    secret = new_secret()
    (tmp_path / "secret").write_text(f"# the next one\n{new_secret()}\n{secret}\n")
    receiver = Receiver(secret)
    request.addfinalizer(receiver.close)
    up = own_up()
    book = tmp_path / "book"
    script = f'echo "$SERIN_EVENT_REASON $SERIN_EVENT_SERVICE $(cat | wc -c)" >> {book}'
    targets = f"""  notifications:
  - {{name: chat, url: "{receiver.url}", secretFile: {tmp_path / "secret"}, events: ["*"]}}
  - {{name: book, command: [/bin/sh, -c, '{script}']}}
"""
    up.apply("told", models.package("told-1"), QUICK, targets)
    assert up.serving("told"), up.log()
    assert up.until(lambda: receiver.refused), "it is tried while it refuses"
    up.apply("told", models.package("told-2"), QUICK, targets)
    load = up.load("told")
    assert up.until(lambda: up.json("rollout", "status", "told")["ending"] == "promoted"), up.log()
    load.terminate()
    load.communicate(timeout=60)

    # The command is told of the rollout alone, as nothing else was asked for.
    steps = [event["reason"] for event in events(up) if event["reason"] in ("RolloutStarted", "WeightChanged", "Promoted")]
    assert up.until(lambda: [line.split()[0] for line in book.read_text().splitlines()] == steps), book.read_text()
    assert all(line.split()[1] == "told" and int(line.split()[2]) > 100 for line in book.read_text().splitlines())

    up.kill()
    receiver.takes.set()
    up.start()
    wanted = [event["reason"] for event in events(up)]
    assert wanted[:4] == ["Created", "Starting", "Serving", "Configured"] and "Promoted" in wanted
    assert up.until(lambda: [reason for _, reason in once(receiver.taken)] == wanted), (receiver.taken, wanted)
    assert {reason for _, reason in receiver.refused} == {"Created"}, "nothing goes past what is first"
    assert len({identity for identity, _ in receiver.taken}) == len(wanted)
    # The end is told too.
    assert up.serin("delete", "told").returncode == 0
    assert up.until(lambda: receiver.taken[-1][1] == "Deleted"), receiver.taken


def events(up):
    return [json.loads(line) for line in up.serin("events", "told", "-n", "1000", "-o", "json").stdout.splitlines()]


def test_who_cannot_be_told_is_an_event(own_up, models, tmp_path):
    up = own_up()
    package = models.package("told-3")
    missing = f"  notifications: [{{name: chat, url: 'http://127.0.0.1:9/', secretFile: {tmp_path / 'none'}}}]\n"
    with pytest.raises(AssertionError, match=r"spec.notifications\[0\].secretFile: .*No such file"):
        up.apply("told", package, QUICK, missing)
    up.apply("told", package, QUICK, "  notifications: [{name: pager, command: [/bin/false], events: [Created], retryFor: 1s}]\n")
    assert up.until(lambda: any(event["reason"] == "CommandFailed" for event in events(up))), up.log()
    failure = next(event for event in events(up) if event["reason"] == "CommandFailed")
    assert failure["message"] == "pager was not told of Created: it ended with 1" and failure["type"] == "Warning"
