"""Whatever a job's data, names, results, errors and logs hold is shown as text: nothing of it is executed."""

from __future__ import annotations

import itertools
from typing import Final

import pytest
from playwright.async_api import expect

from oxmq.keys import QueueKeys
from tests.browser.looking import PHONE, Look
from tests.browser.world import HOSTILE_QUEUE, PREFIX, World
from tests.support import hostile

#: Screens that show what the hostile jobs hold, and a text that is there once they do.
SCREENS: Final = {
    "overview": ("", HOSTILE_QUEUE),
    "completed": (f"queues/{HOSTILE_QUEUE}?state=completed", "onerror"),
    "failed": (f"queues/{HOSTILE_QUEUE}?state=failed", "onerror"),
    "failures": (f"queues/{HOSTILE_QUEUE}/failures", "ValueError"),
    "schedules": (f"queues/{HOSTILE_QUEUE}/schedules", "onerror"),
    "workers": (f"queues/{HOSTILE_QUEUE}/workers", "onerror"),
    "kubernetes": ("kubernetes", "onerror"),
    "metrics": (f"queues/{HOSTILE_QUEUE}/metrics", "onerror"),
}


@pytest.mark.parametrize("screen", SCREENS)
async def test_lists_show_hostile_data_as_text(look: Look, screen: str) -> None:
    path, text = SCREENS[screen]
    await look.open(path)
    await expect(look.main.get_by_text(text).filter(visible=True).first).to_be_visible()
    await look.is_harmless()


@pytest.mark.parametrize("kind", ["hostile_failed", "hostile_completed", "hostile_big"])
async def test_a_hostile_job_is_shown_as_text(look: Look, world: World, kind: str) -> None:
    await look.open_job(HOSTILE_QUEUE, world.ids[kind])
    await expect(look.main.get_by_role("heading", name="Data", exact=True)).to_be_visible()
    await look.is_harmless()
    await look.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await look.fits()


async def test_every_link_leads_into_the_dashboard(look: Look, world: World) -> None:
    for path in (f"queues/{HOSTILE_QUEUE}?state=failed", f"queues/{HOSTILE_QUEUE}/jobs/{world.ids['hostile_failed']}"):
        await look.open(path)
        await expect(look.main.get_by_role("link").first).to_be_visible()
        targets: list[str] = await look.page.evaluate("() => [...document.links].map((link) => link.href)")
        assert [target for target in targets if not target.startswith(look.url)] == []


async def test_addresses_are_shown_as_text(look: Look) -> None:
    look.allowed += ["status of 404", "status of 422"]
    paths = (
        "queues/{}",
        f"queues/{HOSTILE_QUEUE}/jobs/{{}}",
        "queues?filter={}",
        f"queues/{HOSTILE_QUEUE}?search={{}}",
    )
    for path, text in itertools.product(paths, hostile.SCRIPTS[:3]):
        await look.page.goto(f"{look.url}/{path.format(_quoted(text))}", wait_until="domcontentloaded")
        await expect(look.page.get_by_role("heading", level=1)).to_be_visible()
        await look.is_harmless()


async def test_a_search_for_hostile_text_finds_it(look: Look) -> None:
    await look.open_queue(HOSTILE_QUEUE, state="failed")
    field = look.page.get_by_role("combobox", name="Search jobs")
    await field.fill("__pwned")
    await field.press("Enter")
    await expect(look.rows(look.table("Failed jobs")).first).to_be_visible()
    await look.is_harmless()


async def test_a_broken_queue_is_shown(look: Look, world: World) -> None:
    base = QueueKeys("broken", PREFIX).base
    with world.server.client() as client:
        client.hset(f"{base}meta", mapping={"concurrency": "many", b"\xff": b"\xff"})
        client.hset(
            f"{base}j", mapping={"name": b"\xff<b>", "data": "{", "opts": "[", "timestamp": "x", "stacktrace": "{"}
        )
        client.rpush(f"{base}wait", "j", "gone", b"\xff")
        client.set(f"{base}completed", "not a list")
        client.zadd(f"{base}failed", {"j": 1})
    await look.open_queue("broken", state="waiting")
    await expect(look.rows(look.table("Waiting jobs")).first).to_be_visible()
    await look.open_job("broken", "j")
    await expect(look.main.get_by_text("Data", exact=True).filter(visible=True).first).to_be_visible()
    await look.is_harmless()


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())
