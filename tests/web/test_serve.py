"""`oxmq web` serves by itself: it says where, lets in whom it should, and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from oxmq.cli.web import WebSettings, run_web
from oxmq.errors import ConfigurationError
from oxmq.web.serve import Serving
from tests.support.waiting import TIME_SCALE, eventually_sync

PATIENCE = 20.0
TOKENS = "boss=admin:geheim-1234 viewer:geheim-5678@email"

Start = Callable[..., "Served"]


class Served:
    """Hold a process of `oxmq web`."""

    def __init__(self, directory: Path, url: str, *arguments: str, **environment: str) -> None:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("OXMQ_")}
        self._output = directory / "output.log"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "oxmq", "web", *arguments],
                cwd=directory, env={**outside, "OXMQ_URL": url, **environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, process_group=0,
            )  # fmt: skip

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def address(self) -> str:
        """Return where it serves, once it has said so and answers."""
        return eventually_sync(self._announced, PATIENCE, self.output())[0]

    def _announced(self) -> list[str]:
        return re.findall(r"dashboard +(http://\S+/)", self.output())

    def wait(self, seconds: float = PATIENCE) -> int:
        return self.process.wait(seconds * TIME_SCALE)


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    started: list[Served] = []

    def begin(*arguments: str, **environment: str) -> Served:
        started.append(Served(tmp_path, redis_url, *arguments, **environment))
        return started[-1]

    yield begin
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end_whoever_still_listens(start: Start, number: signal.Signals) -> None:
    served = start("--port", "0")
    with httpx2.Client(base_url=served.address, timeout=PATIENCE) as client:
        session = client.get("api/session")
        assert (session.status_code, session.json()["role"]) == (200, "admin")
        assert "server" not in session.headers
        assert client.get("/").headers["content-type"].startswith("text/html")
        with client.stream("GET", "api/events", params={"topics": "overview"}) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            began = time.monotonic()
            served.process.send_signal(number)
            for _ in lines:  # the stream ends in good order
                pass
        assert served.wait() == 0
        assert time.monotonic() - began < 4 * TIME_SCALE
    assert "Traceback" not in served.output()


def test_who_may_come_in_is_in_the_environment(start: Start) -> None:
    served = start("--port", "0", "--login", "ada:geheim-9999:viewer", OXMQ_WEB_TOKENS=TOKENS)
    with httpx2.Client(base_url=served.address, timeout=PATIENCE) as client:
        assert client.get("api/session").status_code == 401
        boss = client.get("api/session", headers={"Authorization": "Bearer geheim-1234"}).json()
        assert (boss["user"], boss["role"]) == ("boss", "admin")
        ada = client.get("api/session", auth=("ada", "geheim-9999")).json()
        assert (ada["user"], ada["role"]) == ("ada", "viewer")
    assert "geheim" not in served.output()


def test_it_shows_an_application(start: Start, tmp_path: Path, prefix: str) -> None:
    code = f"from oxmq import Oxmq\napp = Oxmq(prefix={prefix!r})\n@app.task(queue='q')\ndef greet(name: str): ...\n"
    (tmp_path / "shop.py").write_text(code)
    served = start("shop:app", "--port", "0", "--root-path", "/behind")
    assert served.address.endswith("/behind/")
    with httpx2.Client(base_url=served.address.removesuffix("behind/"), timeout=PATIENCE) as client:
        assert client.get("api/session").json()["prefix"] == prefix
        refused = client.post("api/queues/q/jobs", json={"name": "greet", "data": {"nam": 1}})
        assert refused.status_code == 422
        added = client.post("api/queues/q/jobs", json={"name": "greet", "data": {"name": "Ada"}})
        assert added.json()["url"].startswith("/behind/api/queues/q/jobs/")


@pytest.mark.parametrize(
    ("settings", "host", "words"),
    [
        ({}, "0.0.0.0", "no way to sign in is set up"),
        ({"tokens": ["boss:geheim-1234"]}, "127.0.0.1", "a role is one of viewer, operator, admin"),
        ({"logins": ["ada"]}, "127.0.0.1", "USER:PASSWORD:ROLE"),
        ({"redact": ["("]}, "127.0.0.1", "must be a regular expression"),
        ({"url": "nonsense"}, "127.0.0.1", "connection must be a URL"),
        ({"target": "nothing:app"}, "127.0.0.1", "there is no module 'nothing'"),
        ({"url": "redis://127.0.0.1:1", "tokens": ["admin:geheim-1234"]}, "no.such.host.test", "cannot listen at"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(settings: dict[str, Any], host: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        run_web(WebSettings(**settings), Serving(host=host, port=0))
    assert "geheim" not in str(caught.value)


def test_who_is_refused_is_told_so_by_the_exit_code(start: Start) -> None:
    served = start("--port", "0", "--host", "0.0.0.0")
    assert served.wait() == 2
    assert "no way to sign in is set up" in served.output()
    assert "Traceback" not in served.output()


def test_a_port_that_is_taken_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = start("--port", str(taken.getsockname()[1]))
        assert served.wait() == 2
    assert "Address already in use" in served.output()
