"""A Flask application accepts work, its jobs run in its context, and its command line has oxmq's commands."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from flask import Flask, Response

from oxmq import BackendError, ConfigurationError, OutcomeUnknownError, Oxmq, UnavailableError
from oxmq.integrations.flask import OxmqFlask, accepted
from oxmq.sync import Queue
from tests.frameworks.django_site import PATIENCE, answers
from tests.support.processes import ROOT, Processes
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import TIME_SCALE, eventually_sync

FACTORY = "tests.frameworks.flask_shop:create_app"


@pytest.fixture(scope="module")
def environment(own_server: RedisServer) -> dict[str, str]:
    return {"FLASK_OXMQ_URL": own_server.url, "FLASK_APP": FACTORY, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def processes(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(tmp_path_factory.mktemp("flask"), environment) as made:
        yield made


@pytest.fixture
def flask_app() -> Flask:
    return Flask(__name__)


def test_jobs_run_in_the_application_s_context(processes: Processes, own_server: RedisServer) -> None:
    port = free_port()
    served = processes.start("waitress", f"--port={port}", "--host=127.0.0.1", "--call", FACTORY)
    worker = processes.start("flask", "oxmq", "worker", "--concurrency", "1", "--grace", "1s")
    address = f"http://127.0.0.1:{port}"
    eventually_sync(lambda: answers(address, served), PATIENCE, "the server does not answer")
    with httpx2.Client(base_url=address, timeout=PATIENCE) as client, Queue("default", own_server.url) as queue:
        answer = client.post("/shout/Hello")
        assert (answer.status_code, answer.headers["location"]) == (202, "/")
        job = queue.get_job(answer.json()["id"])
        assert job is not None
        word, shop, ended_before, left = job.result(timeout=PATIENCE)
        assert (word, shop, left) == ("HELLO", "Ox & Sons", "")
        word, shop, ended_before, left = queue.add("shout", {"word": "Bye"}).result(timeout=PATIENCE)
        assert (word, left) == ("BYE", "")  # what is torn down is what is in the job's own thread
        word, shop, ended_after = queue.add("whisper", {"word": "Hello"}).result(timeout=PATIENCE)
        assert (word, shop, ended_after) == ("hello", "Ox & Sons", ended_before + 1)
        assert client.post("/whisper/hello").status_code == 500  # nothing says where the job could be followed
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    worker.assert_careful()


def test_the_dashboard_is_served_beside_it(processes: Processes) -> None:
    served = processes.start("flask", "--app", FACTORY, "oxmq", "web", "--port", "0")
    found = eventually_sync(lambda: re.findall(r"dashboard +(http://\S+/)", served.output()), PATIENCE, "no dashboard")
    bad = httpx2.post(f"{found[0]}api/queues/default/jobs", json={"name": "shout", "data": {}}, timeout=PATIENCE)
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "body.data.word")  # it knows the tasks
    served.terminate()
    assert served.wait(PATIENCE) == 0


def test_the_commands_take_the_options_of_oxmq(environment: dict[str, str]) -> None:
    assert "--concurrency-kubernetes" in _run(environment, "flask", "oxmq", "worker", "--help")


def test_an_application_without_oxmq_is_told_so(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("from flask import Flask\n\napp = Flask('bare')\n")
    target = "oxmq.integrations.flask.project:app"
    said = _run(environment | {"FLASK_APP": str(tmp_path / "bare.py")}, "oxmq", "worker", target)
    assert "make it a part with OxmqFlask(flask_app, oxmq_app)" in " ".join(said.split())


def test_however_often_a_factory_runs_there_is_one_middleware_and_the_last_application() -> None:
    app = Oxmq("redis://localhost")
    applications = [Flask(f"app{number}") for number in range(3)]
    for flask_app in applications:
        OxmqFlask(flask_app, app)
    (middleware,) = app.middlewares
    there: Any = middleware
    assert there.flask_app is applications[-1]


def test_it_keeps_nothing_alive(flask_app: Flask) -> None:
    app = Oxmq("redis://localhost")
    OxmqFlask(flask_app, app)
    gone = weakref.ref(app)
    flask_app.extensions.clear()
    del app
    gc.collect()
    assert gone() is None


def test_without_an_oxmq_it_is_refused(flask_app: Flask) -> None:
    with pytest.raises(ConfigurationError, match=r"OxmqFlask\(flask_app, oxmq_app\)"):
        OxmqFlask(flask_app)


def test_a_bad_url_is_refused_and_changes_nothing(flask_app: Flask) -> None:
    app = Oxmq("redis://elsewhere:6380/2")
    flask_app.config["OXMQ_URL"] = "http://cache"
    with pytest.raises(ConfigurationError, match="connection URL must begin with"):
        OxmqFlask(flask_app, app)
    assert app.endpoint.address == "redis://elsewhere:6380/2"


@pytest.mark.parametrize(
    ("error", "outcome"), [(UnavailableError("no answer"), None), (OutcomeUnknownError("no answer"), "unknown")]
)
def test_an_error_of_the_backend_is_503(flask_app: Flask, error: BackendError, outcome: str | None) -> None:
    OxmqFlask(flask_app, Oxmq("redis://localhost"))

    @flask_app.post("/")
    def fail() -> Response:
        raise error

    answer = flask_app.test_client().post("/")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.get_json().get("outcome") == outcome
    assert int(answer.headers["Retry-After"]) > 0


def test_redis_that_is_not_there_is_503(flask_app: Flask) -> None:
    app = Oxmq(f"redis://127.0.0.1:{free_port()}")
    OxmqFlask(flask_app, app)

    @flask_app.post("/")
    def add() -> str:
        return app.sync_queue("mail").add("send").id

    answer = flask_app.test_client().post("/")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")


@pytest.mark.parametrize(
    "url",
    [
        "rediss//:s3cret@cache",
        "redis://:s3cret/s3cret@cache",
        "redis://:s3cret#s3cret@cache",
        "redis://:s3cret?s3cret@cache",
        "redis://:s3cret@[cache",
        "http://:s3cret@cache",
        "redis://:s3cret@cache:port",
        "redis://:s3cret@cache/name",
    ],
)
def test_what_is_said_of_a_bad_url_shows_no_password(flask_app: Flask, url: str) -> None:
    flask_app.config["OXMQ_URL"] = url
    with pytest.raises(ConfigurationError) as caught:
        OxmqFlask(flask_app, Oxmq("redis://localhost"))
    assert "s3cret" not in str(caught.value)


def test_a_location_is_where_the_web_is_said_to_be(flask_app: Flask, own_server: RedisServer) -> None:
    app = Oxmq(own_server.url)
    flask_app.config["OXMQ_WEB_URL"] = "https://jobs.example.org/"
    OxmqFlask(flask_app, app)

    @app.task(queue="later")
    def wait() -> None: ...

    with flask_app.app_context():
        job = wait.enqueue_sync()
        assert accepted(job).headers["Location"] == f"https://jobs.example.org/api/queues/later/jobs/{job.id}"
        del flask_app.config["OXMQ_WEB_URL"]
        with pytest.raises(ConfigurationError, match="configure OXMQ_WEB_URL, or give location="):
            accepted(job)
    app.close_sync()


def _run(environment: dict[str, str], module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words], env={**os.environ, **environment, "COLUMNS": "200"}, check=False,
        cwd=Path(ROOT), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE * TIME_SCALE,
    )  # fmt: skip
    return done.stdout
