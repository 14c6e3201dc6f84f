"""pytest's plugin, in projects as users have them: each with tests that pass, and tests that fail as they should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oxmq.testing import plugin
from tests.testing import shop
from tests.testing.project import Project

TASKS = """
from oxmq import Oxmq, exponential

app = Oxmq("redis://127.0.0.1:1")
mail = app.queue("mail")  # kept at import
down = 0


@app.task(queue="mail", attempts=3, backoff=exponential("1h"))
async def send_mail(user: int) -> str:
    global down
    down -= 1
    if down >= 0:
        raise ConnectionError("down")
    return f"sent to {user}"


@app.task
def double(number: int) -> int:
    return 2 * number
"""

API = """
from fastapi import FastAPI
from tasks import app as jobs, send_mail

api = FastAPI()


@api.post("/users/{user}", status_code=202)
async def sign_up(user: int) -> dict[str, str]:
    job = await send_mail.options(delay="1h").enqueue(user)
    return {"id": job.id}
"""

INI = """
[pytest]
oxmq_app = tasks:app
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

ASYNC_TESTS = """
import httpx2
import tasks
from api import api
from oxmq.testing import assert_enqueued, assert_not_enqueued, inline, run_until_idle


async def test_an_endpoint_enqueues(oxmq_app):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(api), base_url="http://shop") as client:
        assert (await client.post("/users/7")).status_code == 202
    job = await assert_enqueued(oxmq_app, tasks.send_mail, user=7, delay="1h")
    assert (await run_until_idle(oxmq_app)).completed == []
    report = await run_until_idle(oxmq_app, skip_delays=True)
    assert report.raise_failures().completed[0].return_value == "sent to 7"
    assert await job.is_completed()


async def test_it_is_retried_with_backoff(oxmq_app, oxmq_clock, monkeypatch):
    monkeypatch.setattr(tasks, "down", 2)
    job = await tasks.send_mail.enqueue(1)
    assert (await run_until_idle(oxmq_app)).retried == 1
    oxmq_clock.advance("1h")
    assert (await run_until_idle(oxmq_app)).retried == 1
    oxmq_clock.advance("2h")
    assert (await run_until_idle(oxmq_app)).completed[0].id == job.id


async def test_nothing_is_left_of_other_tests(oxmq_app):
    await assert_not_enqueued(oxmq_app, tasks.send_mail)
    await assert_not_enqueued(tasks.mail, "send_mail")


async def test_without_a_server():
    async with inline(tasks.app):
        assert await (await tasks.double.enqueue(21)).result() == 42


async def test_that_fails(oxmq_app):
    await tasks.send_mail.enqueue(1)
    await assert_enqueued(oxmq_app, tasks.send_mail, user=2)
"""

SYNC_TESTS = """
import gc

import tasks
from api import api
from fastapi.testclient import TestClient
from oxmq.testing import assert_enqueued_sync, inline, run_until_idle_sync


def test_jobs_are_run(oxmq_app, oxmq_clock):
    began = oxmq_clock.now()
    job = tasks.double.options(delay="1d").enqueue_sync(21)
    tasks.send_mail.enqueue_sync(1)
    assert_enqueued_sync(oxmq_app, tasks.double, number=21, times=1)
    run_until_idle_sync(oxmq_app, skip_delays=True).raise_failures()
    assert job.result(timeout=30) == 42
    assert (oxmq_clock.now() - began).days == 1
    assert str(began) == "2026-01-01 12:00:00+00:00"


def test_without_a_server():
    with inline(tasks.app):
        assert tasks.send_mail.enqueue_sync(1).result() == "sent to 1"


def test_an_endpoint_enqueues_on_a_loop_that_is_closed_afterwards(oxmq_app):
    client = TestClient(api)
    ids = {client.post(f"/users/{user}").json()["id"] for user in range(3)}
    gc.collect()
    assert len(ids) == 3
    assert_enqueued_sync(oxmq_app, tasks.send_mail, user=2, delay="1h", times=1)
    report = run_until_idle_sync(oxmq_app, skip_delays=True).raise_failures()
    assert {job.id for job in report.completed} == ids


def test_the_server_is_clean(oxmq_app, oxmq_server):
    assert oxmq_server.clear(oxmq_app.prefix) == 0
"""


@pytest.fixture
def project(tmp_path: Path, redis_url: str, prefix: str) -> Project:
    """Return a project whose tests use the session's server."""
    made = Project(tmp_path, {"OXMQ_TEST_URL": redis_url, "OXMQ_URL": "redis://127.0.0.1:1"})
    made.write(tasks=TASKS, api=API, ini=INI)
    return made


def outcomes(output: str) -> dict[str, int]:
    """Return how many tests passed, failed and so on."""
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|errors?|warnings?)", output)}


def test_with_pytest_asyncio(project: Project, redis_client: Any) -> None:
    project.write(test_shop=ASYNC_TESTS)
    output = project.pytest("-q")
    assert outcomes(output) == {"passed": 4, "failed": 1}, output
    assert "AssertionError: expected a job, but no job of send_mail(user=2) was enqueued in queue 'mail'" in output
    assert "user: expected 2, found 1" in output
    assert redis_client.keys("*") == []


def test_with_anyio(project: Project, redis_client: Any) -> None:
    project.write(
        ini=INI.replace("asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n", ""),
        test_shop=f"import pytest\npytestmark = pytest.mark.anyio\n{ASYNC_TESTS}",
        conftest="import pytest\n\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
    )
    output = project.pytest("-q", without=("asyncio",))
    assert outcomes(output) == {"passed": 4, "failed": 1}, output
    assert redis_client.keys("*") == []


def test_without_any_plugin_for_coroutines_and_with_a_server_of_its_own(project: Project, tmp_path: Path) -> None:
    project = Project(tmp_path, {"OXMQ_TEST_URL": None, "OXMQ_URL": "redis://127.0.0.1:1"})
    project.write(
        ini="[pytest]\nfilterwarnings = error\n",
        test_shop=SYNC_TESTS,
        conftest="import pytest\nimport tasks\n\n\n@pytest.fixture\ndef oxmq_target():\n    return tasks.app\n",
    )
    output = project.pytest("-q", "--basetemp", str(tmp_path / "temp"), without=("asyncio", "anyio"))
    assert outcomes(output) == {"passed": 4}, output
    assert (tmp_path / "temp").exists()


def test_a_missing_setting_is_told_in_one_sentence(project: Project) -> None:
    project.write(test_shop="def test_it(oxmq_app): ...\n", ini="[pytest]\n")
    output = project.pytest("-q", without=("asyncio", "anyio"))
    assert outcomes(output) == {"error": 1}, output
    assert "oxmq does not know the application under test: set oxmq_app" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("tests.testing.shop", "oxmq_app must be \"package.module:app\", not 'tests.testing.shop'"),
        ("tests.testing.shop:mail", "oxmq_app: tests.testing.shop:mail is a Queue, not an Oxmq"),
        ("tests.testing.shop:nothing", "tests.testing.shop has nothing called 'nothing'"),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence(setting: str, sentence: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=re.escape(sentence)):
        plugin.load(setting)
    assert plugin.load("tests.testing.shop:app") is shop.app


def test_whoever_does_not_use_it_imports_next_to_nothing() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import oxmq.testing.plugin; "
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['oxmq', 'oxmq.lazy_names', 'oxmq.testing', 'oxmq.testing.plugin']"
