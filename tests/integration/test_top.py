"""Watch queues live in a terminal: the screens, the keys, on a terminal of 80 by 24 and against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from textual.events import AppBlur, AppFocus
from textual.pilot import Pilot
from textual.widgets import Input, Static

from oxmq import Queue
from oxmq.cli.top.app import TopApp
from oxmq.cli.top.dialogs import Help, Question
from oxmq.cli.top.job import JobScreen
from oxmq.cli.top.live_table import LiveTable
from oxmq.cli.top.overview import OverviewScreen
from oxmq.cli.top.queue import QueueScreen
from oxmq.cli.top.workers import WorkersScreen
from oxmq.monitor.site import Site
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@asynccontextmanager
async def watching(bed: Bed, size: tuple[int, int] = (80, 24)) -> AsyncGenerator[Pilot[None]]:
    """Look at the test's queues."""
    async with Site(bed.url, prefix=bed.prefix) as site:
        app = TopApp(site, interval=0.1)
        async with app.run_test(size=size) as pilot:
            await eventually(lambda: isinstance(app.screen, OverviewScreen) and app.screen.view)
            yield pilot


def rows(pilot: Pilot[None]) -> list[str]:
    """Return the rows of the table in front, as text."""
    table = pilot.app.screen.query_one(LiveTable)
    return ["  ".join(str(cell) for cell in table.get_row_at(at)) for at in range(table.row_count)]


def text_of(pilot: Pilot[None], selector: str) -> str:
    """Return what a part of the screen in front shows, as text."""
    lines = pilot.app.screen.query_one(selector, Static).render_lines
    widget = pilot.app.screen.query_one(selector, Static)
    strips = lines(widget.size.region)
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until_shown(pilot: Pilot[None], words: str) -> None:
    """Wait until a row of the table in front has these words."""
    await eventually(lambda: any(words in row for row in rows(pilot)), 10, f"no row shows {words!r}")


async def search(pilot: Pilot[None], words: str) -> None:
    """Open the field of the screen in front, and look for words."""
    await pilot.press("slash")
    pilot.app.screen.query_one("#filter", Input).value = words
    await pilot.press("enter")


async def fail(job: Any) -> None:
    raise ValueError("no such address")


async def test_queues_are_shown_and_followed(bed: Bed) -> None:
    queue = bed.queue("mails")
    await queue.add_bulk([("welcome", {}) for _ in range(3)])
    await bed.queue("reports").add("monthly")
    async with watching(bed) as pilot:
        await until_shown(pilot, "mails")
        assert rows(pilot)[0].split()[:2] == ["mails", "3"]
        assert "oxmq top" in text_of(pilot, "#head")
        await queue.add("welcome")
        await eventually(lambda: rows(pilot)[0].split()[1] == "4", 10)
        await pilot.press("s")
        await search(pilot, "rep")
        await eventually(lambda: len(rows(pilot)) == 1)
        assert rows(pilot)[0].startswith("reports")
        await pilot.press("escape")
        await eventually(lambda: len(rows(pilot)) == 2)
        assert not pilot.app.screen.query_one("#filter", Input).display


async def test_a_queue_is_paused_and_resumed_when_somebody_agrees(bed: Bed) -> None:
    queue = bed.queue("mails")
    await queue.add("welcome")
    async with watching(bed) as pilot:
        await until_shown(pilot, "mails")
        await pilot.press("p")
        assert isinstance(pilot.app.screen, Question)
        await pilot.press("n")
        assert not await queue.is_paused()
        await pilot.press("p", "y")
        await eventually(queue.is_paused)
        await until_shown(pilot, "paused")
        await pilot.press("p", "y")
        await eventually(lambda: not_paused(queue))


async def not_paused(queue: Queue) -> bool:
    return not await queue.is_paused()


async def test_a_failed_job_is_found_looked_at_and_retried(bed: Bed) -> None:
    queue = bed.queue("mails")
    job, other = await queue.add("welcome", {"to": "[bold]nobody"}), await queue.add("goodbye")
    worker = bed.working(fail, "mails")
    await reaches(job, "failed")
    await reaches(other, "failed")
    await worker.close()
    async with watching(bed) as pilot:
        await until_shown(pilot, "mails")
        await pilot.press("enter")
        await eventually(lambda: isinstance(pilot.app.screen, QueueScreen))
        await pilot.press("7")
        await until_shown(pilot, "no such address")
        await search(pilot, "name:welcome")
        await eventually(lambda: len(rows(pilot)) == 1, 10)
        await pilot.press("enter")
        await eventually(lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.view)
        await eventually(lambda: "no such address" in text_of(pilot, "#job"), 10)
        assert "[bold]nobody" in text_of(pilot, "#job")
        await pilot.press("r", "y")
        await reaches(job, "waiting")
        await eventually(lambda: "waiting" in text_of(pilot, "#job"), 10)
        await pilot.press("escape", "escape", "escape")
        await eventually(lambda: isinstance(pilot.app.screen, OverviewScreen))
        assert await other.get_state() == "failed"


async def test_arrows_go_from_state_to_state(bed: Bed) -> None:
    queue = bed.queue("mails")
    await queue.add("later", {}, delay=600)
    await queue.add("sooner")
    async with watching(bed) as pilot:
        await until_shown(pilot, "mails")
        await pilot.press("enter")
        await eventually(lambda: isinstance(pilot.app.screen, QueueScreen))
        await until_shown(pilot, "sooner")
        await pilot.press("right", "right")
        await until_shown(pilot, "later")
        await pilot.press("r", "y")
        await eventually(lambda: not rows(pilot), 10)
        assert await queue.get_waiting_count() == 2


async def test_workers_and_help_are_one_key_away(bed: Bed) -> None:
    await bed.queue("mails").add("welcome")
    bed.working(fail, "mails", worker_name="packer")
    async with watching(bed, (160, 40)) as pilot:
        await pilot.press("w")
        await eventually(lambda: isinstance(pilot.app.screen, WorkersScreen))
        await until_shown(pilot, "packer")
        await pilot.press("question_mark")
        await eventually(lambda: isinstance(pilot.app.screen, Help))
        await pilot.press("escape", "escape")
        await eventually(lambda: isinstance(pilot.app.screen, OverviewScreen))
        await pilot.press("q")
        assert pilot.app.return_code == 0


async def test_nothing_hostile_gets_through_and_nothing_is_read_out_of_sight(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue("mails")
    job = await queue.add("welcome", {"[red]": f"{ESCAPE}[/nonsense]"})
    redis_client.hset(job.key, mapping={"name": f"[bold]{ESCAPE}", "opts": "{broken"})
    async with watching(bed) as pilot:
        await until_shown(pilot, "mails")
        await pilot.press("enter")
        await until_shown(pilot, "[bold]")
        await pilot.press("enter")
        await eventually(lambda: isinstance(pilot.app.screen, JobScreen) and pilot.app.screen.view)
        await eventually(lambda: "[/nonsense]" in text_of(pilot, "#job"), 10)
        assert "\x1b" not in text_of(pilot, "#job")
        pilot.app.post_message(AppBlur())
        await eventually(lambda: getattr(pilot.app, "out_of_sight", False))
        pilot.app.post_message(AppFocus())
        await eventually(lambda: not getattr(pilot.app, "out_of_sight", True))


async def test_a_server_that_goes_away_is_told_of_and_waited_for(bed: Bed) -> None:
    await bed.queue("mails").add("welcome")
    async with watching(bed) as pilot:
        await until_shown(pilot, "mails")
        site = cast("TopApp", pilot.app).site
        good = site.watch
        site.watch = Site("redis://127.0.0.1:1", prefix=bed.prefix, timeout=0.1).watch
        status = pilot.app.screen.query_one("#status", Static)
        await eventually(lambda: status.display, 10)
        assert rows(pilot)
        site.watch = good
        await eventually(lambda: not status.display, 10)


def test_without_textual_the_command_names_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['textual'] = None; from oxmq.cli import main; sys.argv[1:] = ['top']; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"OXMQ_URL": "redis://127.0.0.1:1"},
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == 'Error: oxmq top needs Textual: pip install "oxmq[standard]"\n'


@pytest.mark.parametrize("size", [(40, 12), (200, 50)])
async def test_terminals_of_any_size_will_do(bed: Bed, size: tuple[int, int]) -> None:
    await bed.queue("mails").add("welcome")
    async with watching(bed, size) as pilot:
        await until_shown(pilot, "mails")
        assert ("done/min" in str(pilot.app.screen.query_one(LiveTable).ordered_columns[-4].label)) == (size[0] > 100)
