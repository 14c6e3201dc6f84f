"""What the how-to pages show: their applications start, and their commands are answered as the pages say."""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx2
import pytest

from oxmq.web import oxmq_web
from tests.integration.bed import Bed
from tests.web.serving import serving

PAGES: Final = Path(__file__).parents[2] / "docs" / "how-to"
MOUNTING: Final = "mount-the-dashboard.md"
ADDING: Final = "accept-work-over-http.md"
#: What a job must have done before a command can be tried on it.
NEEDS_AN_END: Final = (":retry", "/events")
REFUSED: Final = {"pat": 422}


def blocks(page: str, kind: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.+?)```", text, re.DOTALL)


def commands() -> list[str]:
    """Return the curl commands of the page, each with the lines that go on."""
    shown = [re.findall(r"^\$ (curl .+(?:\n {4}.+)*)", block, re.MULTILINE) for block in blocks(ADDING, "console")]
    return [command for found in shown for command in found]


def run(block: str, redis_url: str, prefix: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "shown"}
    exec(block.replace("Oxmq()", f"Oxmq({redis_url!r}, prefix={prefix!r})"), names)
    return names


@pytest.fixture
def django_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the smallest Django project that the page's program can be a part of."""
    settings = ModuleType("mysite.settings")
    settings.__dict__.update(
        SECRET_KEY="for tests",
        ROOT_URLCONF="mysite",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    project = ModuleType("mysite")
    project.__dict__.update(settings=settings, urlpatterns=[])
    monkeypatch.setitem(sys.modules, "mysite", project)
    monkeypatch.setitem(sys.modules, "mysite.settings", settings)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")


@pytest.mark.usefixtures("django_site")
@pytest.mark.parametrize("block", [each for page in (MOUNTING, ADDING) for each in blocks(page, "python")])
async def test_what_is_mounted_answers(block: str, redis_url: str, prefix: str) -> None:
    names = run(block, redis_url, prefix)
    api = names.get("api") or names.get("application")
    if api is None and "dashboard" not in names:
        return  # it shows an application without its dashboard
    async with serving(api or names["dashboard"]) as url, httpx2.AsyncClient(base_url=url) as client:
        answer = await client.get("/oxmq/api/session" if api else "/api/session")
        refused = 403 if "guard=" in block else 401
        assert answer.status_code == (refused if "access=" in block else 200)


@pytest.fixture
async def shop(redis_url: str, prefix: str, bed: Bed) -> AsyncIterator[httpx2.AsyncClient]:
    """Talk to the page's first application, with a worker beside it."""
    app = run(blocks(ADDING, "python")[0], redis_url, prefix)["app"]
    worker = bed.app_worker(app)
    working = asyncio.create_task(worker.run(handle_signals=False))
    async with serving(oxmq_web(app)) as url, httpx2.AsyncClient(base_url=url, timeout=20) as client:
        yield client
    await worker.close(force=True)
    await working
    await app.close()


@pytest.mark.parametrize("command", commands())
async def test_a_command_is_answered(command: str, shop: httpx2.AsyncClient) -> None:
    if "$ID" in command:
        wanted = {"Prefer": "wait=20"} if any(word in command for word in NEEDS_AN_END) else {}
        options = {} if wanted else {"delay": "1h"}
        job = {"name": "publish", "data": {"album": "summer"}, "options": options}
        added = await shop.post("/api/queues/images/jobs", json=job, headers=wanted)
        command = command.replace("$ID", added.json()["id"])
    answer = await ask(shop, command)
    expected = next((status for word, status in REFUSED.items() if f'"{word}"' in command), None)
    assert answer.status_code == expected or (expected is None and answer.is_success), answer.text
    if "/events" in command:
        assert "event: end\n" in answer.text
    if "Prefer" in command:
        assert answer.json()["result"] == {"path": "320/cat.png"}


async def ask(client: httpx2.AsyncClient, command: str) -> httpx2.Response:
    """Send what curl would."""
    curl = argparse.ArgumentParser()
    for flag in ("-i", "-N"):
        curl.add_argument(flag, action="store_true")
    curl.add_argument("-H", action="append", default=[])
    curl.add_argument("-X")
    curl.add_argument("--json")
    curl.add_argument("url")
    asked = curl.parse_args(shlex.split(command)[1:])
    headers = dict(header.split(": ", 1) for header in asked.H)
    if asked.json is not None:
        headers["Content-Type"] = "application/json"
    path = asked.url.removeprefix("http://localhost:6967")
    return await client.request(asked.X or ("POST" if asked.json else "GET"), path, content=asked.json, headers=headers)
