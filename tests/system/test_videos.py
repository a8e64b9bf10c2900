# SPDX-License-Identifier: Apache-2.0
"""Video jobs with OpenAI's own Python client against a real worker."""
import io
import json
import signal

import openai
import pytest
from PIL import Image, ImageSequence
from worker import ROOT, until

PACKAGE = ROOT / "examples/motion/package"


def client(worker):
    return openai.OpenAI(base_url=worker.url + "/v1", api_key="any", max_retries=0)


@pytest.fixture
def worker(start, tmp_path):
    return start(PACKAGE, "--state", str(tmp_path)).wait_ready()


def make(worker, **more):
    ask = dict(prompt="a circle that moves up", model="motion", extra_body={"seed": 7}) | more
    return poll(worker, client(worker).videos.create(**ask).id)


def poll(worker, video_id):
    return client(worker).videos.poll(video_id, poll_interval_ms=50)


def frames(content):
    return [frame.convert("RGB").copy() for frame in ImageSequence.Iterator(Image.open(io.BytesIO(content)))]


def test_a_video_is_made_fetched_listed_and_deleted(worker):
    created = client(worker).videos.create(prompt="a circle that moves up", model="motion", seconds="1.33")
    assert created.object == "video" and created.id.startswith("video_")
    assert created.status == "queued" and created.progress == 0
    video = poll(worker, created.id)
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert (video.size, video.seconds) == ("32x32", "1.33")
    assert video.expires_at == video.completed_at + 86400
    content = client(worker).videos.download_content(video.id).read()
    assert content[4:8] == b"ftyp"
    assert [v.id for v in client(worker).videos.list()] == [video.id]
    gone = client(worker).videos.delete(video.id)
    assert gone.deleted and gone.object == "video.deleted"
    with pytest.raises(openai.NotFoundError):
        client(worker).videos.retrieve(video.id)
    assert list(client(worker).videos.list()) == []


def test_a_prompt_may_be_left_out_as_the_description_says(worker):
    schema = json.loads(worker.get("/openapi.json")[2])["components"]["schemas"]["OpenAIRequest"]
    assert "required" not in schema
    status, _, body = worker.post("/v1/videos", {})
    assert status == 200 and poll(worker, json.loads(body)["id"]).status == "completed"


def test_the_same_seed_gives_the_same_clip_in_every_format(worker):
    one, two = make(worker), make(worker)
    fetch = client(worker).videos.download_content

    def gif(video):
        return fetch(video.id, extra_headers={"Accept": "image/gif"})

    assert gif(one).response.headers["content-type"] == "image/gif"
    assert len(frames(gif(one).read())) == 16
    assert gif(one).read() == gif(two).read()
    assert fetch(one.id).read() == fetch(two.id).read()
    webm = fetch(one.id, extra_headers={"Accept": "video/webm"}).read()
    assert webm.startswith(b"\x1a\x45\xdf\xa3")


def test_another_size_is_what_the_clip_comes_in(worker):
    video = make(worker, size="64x48")
    assert video.size == "64x48"
    gif = client(worker).videos.download_content(video.id, extra_headers={"Accept": "image/gif"}).read()
    assert frames(gif)[0].size == (64, 48)


def test_a_form_asks_for_the_same_as_json(worker):
    form = (b'--XX\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na circle that moves up\r\n'
            b'--XX\r\nContent-Disposition: form-data; name="seed"\r\n\r\n7\r\n--XX--\r\n')
    status, _, body = worker.post("/v1/videos", form, {"Content-Type": "multipart/form-data; boundary=XX"})
    assert status == 200, body
    created = json.loads(body)["id"]
    assert poll(worker, created).status == "completed"
    fetch = client(worker).videos.download_content
    assert fetch(created).read() == fetch(make(worker).id).read()


def test_the_list_comes_in_pages(worker):
    ids = [client(worker).videos.create(prompt="circle").id for _ in range(5)]
    assert [v.id for v in client(worker).videos.list(limit=2)] == ids[::-1]
    assert [v.id for v in client(worker).videos.list(limit=2, order="asc")] == ids
    page = client(worker).videos.list(limit=2, order="asc", after=ids[1])
    assert [v.id for v in page.data] == ids[2:4] and page.has_more


@pytest.mark.parametrize("body, param", [
    ({"prompt": "zebra"}, "prompt"),
    ({"prompt": "circle", "seconds": "4"}, "seconds"),
    ({"prompt": "circle", "size": "0x0"}, "size"),
    ({"prompt": "circle", "seed": -1}, "seed"),
    ({"prompt": "circle", "input_reference": "AAAA"}, "input_reference"),
    ({"prompt": "circle", "colour": "red"}, "colour"),
])
def test_what_is_wrong_is_named(motion, body, param):
    with pytest.raises(openai.BadRequestError) as error:
        client(motion).post("/videos", body=body, cast_to=object)
    assert error.value.param == param


def test_over_the_limit_a_job_is_refused_until_another_goes(start, tmp_path):
    worker = start(PACKAGE, "--state", str(tmp_path), "--videos", "2").wait_ready()
    ids = [make(worker).id for _ in range(2)]
    with pytest.raises(openai.RateLimitError) as error:
        client(worker).videos.create(prompt="circle")
    assert error.value.code == "too_many_videos"
    assert int(error.value.response.headers["retry-after"]) > 80000
    client(worker).videos.delete(ids[0])
    assert make(worker).status == "completed"


def test_what_is_over_expires(start, tmp_path):
    worker = start(PACKAGE, "--state", str(tmp_path), "--keep-videos", "1").wait_ready()
    created = client(worker).videos.create(prompt="circle", model="motion")
    assert until(lambda: not list(client(worker).videos.list()))
    with pytest.raises(openai.NotFoundError):
        client(worker).videos.retrieve(created.id)
    assert list((tmp_path / "videos").iterdir()) == []


def test_jobs_outlive_a_killed_worker(start, tmp_path):
    worker = start(PACKAGE, "--state", str(tmp_path)).wait_ready()
    done = make(worker)
    content = client(worker).videos.download_content(done.id).read()
    waiting = [client(worker).videos.create(prompt="square", extra_body={"seed": i}).id for i in range(20)]
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    again = start(PACKAGE, "--state", str(tmp_path)).wait_ready()
    assert client(again).videos.download_content(done.id).read() == content
    assert [poll(again, video_id).status for video_id in waiting] == ["completed"] * 20


def test_other_packages_make_no_videos(glyphs):
    with pytest.raises(openai.NotFoundError) as error:
        client(glyphs).videos.create(prompt="circle")
    assert error.value.code == "unsupported_task"
