# SPDX-License-Identifier: Apache-2.0
"""What users and scorers say of answers decides a rollout of `serin up`, and what users say is kept."""
import json
import pathlib
import signal
import sys
import urllib.error
import urllib.request

import pytest

CRITIC = pathlib.Path(__file__).parent / "packages" / "critic"

RATED = ("{stickyBy: user, userHeader: X-User, initialWeight: 40, stepWeight: 60, interval: 2s, analysis: {falsePromotion: 0.3, "
         "metrics: [{name: errorRate, margin: 40%}, {name: quality, scorer: feedback, margin: 40%}]}}")


@pytest.fixture
def rolling(up, models, own_name):
    """A service of the test's own whose v2 is a candidate that gets requests."""
    up.apply(own_name, models.package(own_name + "-1"), RATED)
    assert up.serving(own_name), up.log()
    up.apply(own_name, models.package(own_name + "-2"), RATED)
    assert up.until(lambda: up.json("rollout", "status", own_name)["weight"] == 40), up.log()
    return own_name


def post(up, path, body, user):
    """Status, headers, and the bytes."""
    request = urllib.request.Request(up.url() + path, data=json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json", "X-User": user})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def ask(up, name, user):
    """The version and the request's id."""
    status, headers, _ = post(up, f"/services/{name}/generate", {}, user)
    assert status == 200
    return headers["Serin-Version"], headers["X-Request-Id"]


def rate(up, id, rating, user, **more):
    status, _, text = post(up, "/v1/feedback", {"requestId": id, "rating": rating, **more}, user)
    return status, json.loads(text)


def ending_when_rated(up, name, ratings):
    """How the rollout ends while new users ask and say what `ratings` has for their version."""
    for number in range(1500):
        user = f"user-{number}"
        version, id = ask(up, name, user)
        status, said = rate(up, id, ratings[version], user)
        assert status == 200 and said["version"] == version, said
        if number % 25 == 0 and up.json("rollout", "status", name)["ending"] != "none":
            break
    assert up.until(lambda: up.json("rollout", "status", name)["ending"] != "none"), up.log()
    return up.json("rollout", "status", name)


def test_a_version_that_users_like_less_goes_back(up, rolling):
    rollout = ending_when_rated(up, rolling, {"v1": 0.9, "v2": "down"})
    assert (rollout["ending"], rollout["reason"]) == ("rolledBack", "Harmful"), rollout
    assert "quality (feedback)" in rollout["message"] and "errorRate" not in rollout["message"], rollout


def test_a_version_that_users_like_as_much_is_promoted(up, rolling):
    rollout = ending_when_rated(up, rolling, {"v1": 0.8, "v2": 0.8})
    assert rollout["ending"] == "promoted", rollout


def test_one_user_decides_nothing(up, rolling):
    ids = [ask(up, rolling, "eve")[1] for _ in range(200)]
    assert {rate(up, id, "down", "eve")[0] for id in ids} == {200}
    rated = lambda: up.json("rollout", "status", rolling)["metrics"][1]
    assert up.until(lambda: rated()["stableCount"] + rated()["candidateCount"] == 1)
    assert (rated()["name"], rated()["verdict"]) == ("quality (feedback)", "undecided")
    assert up.json("rollout", "status", rolling)["ending"] == "none"


def test_a_correction_is_kept(up, rolling):
    version, id = ask(up, rolling, "ann")
    assert rate(up, id, 0.3, "bob")[0] == 403
    assert rate(up, id, 0.3, "ann", correction="a smaller dot") == (
        200, {"requestId": id, "service": rolling, "version": version, "repeated": False, "evidence": True})
    line = [line for line in map(json.loads, (up.state / "feedback.jsonl").read_text().splitlines()) if line["requestId"] == id][0]
    assert (line["version"], line["rating"], line["correction"]) == (version, 0.3, "a smaller dot")
    assert line["package"].startswith("sha256:") and "client" not in line


# A scorer that likes v1 better.
JUDGE = """import json, sys
for line in sys.stdin:
    sample = json.loads(line)
    assert "base64" in sample["response"] and sample["contentType"] == "image/png", sample
    print(json.dumps({"score": 0.9 if sample["version"] == "v1" else 0.2}))
"""


def judged(who):
    return ("{initialWeight: 40, stepWeight: 60, interval: 2s, analysis: {falsePromotion: 0.3, "
            f"scorers: [{{name: judge, {who}, sample: 50%}}], "
            "metrics: [{name: errorRate, margin: 40%}, {name: quality, scorer: judge, margin: 40%}]}}")


def by_script(script):
    return f"command: [{sys.executable}, {script}]"


def roll_out_judged(up, models, name, who):
    """A service whose v1 is brighter and whose candidate gets requests, and the load that gives them."""
    rollout = judged(who)
    up.apply(name, models.package(name + "-1", "shines"), rollout)
    assert up.serving(name), up.log()
    up.apply(name, models.package(name + "-2"), rollout)
    assert up.until(lambda: up.json("rollout", "status", name)["weight"] == 40), up.log()
    return up.load(name, rate=30)


def test_a_version_that_a_scorer_likes_less_goes_back(up, models, tmp_path):
    (tmp_path / "judge.py").write_text(JUDGE)
    goes_back(up, "judged", roll_out_judged(up, models, "judged", by_script(tmp_path / "judge.py")))


def test_a_service_scores_the_answers_of_another(up, models):
    up.apply("critic", CRITIC)
    assert up.serving("critic"), up.log()
    goes_back(up, "painter", roll_out_judged(up, models, "painter", "service: critic"))


def goes_back(up, name, load):
    assert up.until(lambda: up.json("rollout", "status", name)["ending"] != "none"), up.log()
    load.send_signal(signal.SIGINT)
    load.communicate(timeout=60)
    ended = up.json("rollout", "status", name)
    assert (ended["ending"], ended["reason"]) == ("rolledBack", "Harmful"), ended
    assert "quality (judge)" in ended["message"], ended


@pytest.mark.parametrize("name, says", [("script", "no such model"), ("service", "no service")])
def test_a_scorer_that_fails_is_told_and_promotes_nothing(up, models, tmp_path, name, says):
    (tmp_path / "judge.py").write_text("raise SystemExit('no such model')")
    load = roll_out_judged(up, models, "un" + name, by_script(tmp_path / "judge.py") if name == "script" else "service: nobody")
    assert up.until(lambda: "ScorerFailed" in up.serin("events", "un" + name).stdout), up.log()
    load.send_signal(signal.SIGINT)
    load.communicate(timeout=60)
    assert says in up.serin("events", "un" + name).stdout
    status = up.json("rollout", "status", "un" + name)
    assert (status["ending"], status["metrics"][1]["verdict"]) == ("none", "undecided"), status
