"""Look at schedules and act on them from the command line, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from oxmq import cron, every
from oxmq.sync import Queue
from tests.support.running import run_jobs
from tests.support.terminal import Terminal

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@pytest.fixture
def terminal(redis_url: str, prefix: str) -> Terminal:
    return Terminal(redis_url, prefix)


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[Queue]:
    """Return a queue with two schedules."""
    with Queue("mails", redis_url, prefix=prefix) as opened:
        opened.upsert_job_scheduler("digest", cron("0 9 * * MON", tz="Europe/Berlin"), "send_digest", {"n": 1})
        opened.upsert_job_scheduler("sweep", every("15m"), "sweep")
        yield opened


async def succeed(job: Any) -> None: ...


def test_schedules_are_listed_in_words(terminal: Terminal, queue: Queue) -> None:
    for command in (["list"], ["list", "mails"]):
        output = terminal.ok("schedule", *command)
        for words in ("digest", "09:00", "Monday", "Europe/Berlin", "sweep", "15 minutes", "on time"):
            assert words in output
    answer = terminal.json("schedule", "list")
    assert sorted(schedule["id"] for schedule in answer["schedules"]) == ["digest", "sweep"]
    assert answer["complete"] is True
    assert terminal.run("schedule", "list", "nosuch").code == 1
    assert terminal.ok("schedule", "list", OXMQ_PREFIX="other") == "There are no schedules.\n"


def test_one_schedule_is_shown_with_its_times_and_runs(
    terminal: Terminal, queue: Queue, redis_url: str, prefix: str
) -> None:
    run_jobs(redis_url, prefix, "mails", succeed)
    assert len(terminal.json("schedule", "show", "mails", "digest")["next_five"]) == 5
    output = terminal.ok("schedule", "show", "mails", "sweep")
    for words in ("Every 15 minutes", "latest runs", "completed", "then"):
        assert words in output
    missing = terminal.run("schedule", "show", "mails", "nosuch")
    assert (missing.code, missing.output) == (1, "")


def test_a_schedule_is_run_now_and_goes_on(terminal: Terminal, queue: Queue) -> None:
    answer = terminal.json("schedule", "run", "mails", "digest")
    job = queue.get_job(answer["id"])
    assert job is not None
    assert (job.name, job.data, job.get_state()) == ("send_digest", {"n": 1}, "waiting")
    assert queue.get_job_schedulers_count() == 2
    assert terminal.run("schedule", "run", "mails", "nosuch").code == 1


def test_a_schedule_is_paused_and_resumed(terminal: Terminal, queue: Queue) -> None:
    assert terminal.ok("schedule", "pause", "mails", "digest") == "Schedule digest is paused.\n"
    assert terminal.ok("schedule", "pause", "mails", "digest") == "Schedule digest was paused already.\n"
    assert "paused" in terminal.ok("schedule", "list")
    assert queue.get_delayed_count() == 0
    assert terminal.json("schedule", "resume", "mails", "digest")["changed"] is True
    assert queue.get_delayed_count() == 1
    assert terminal.run("schedule", "pause", "mails", "nosuch").code == 1


def test_a_schedule_is_removed_only_when_somebody_agrees(terminal: Terminal, queue: Queue) -> None:
    refused = terminal.run("schedule", "remove", "mails", "digest")
    assert refused.code == 2
    assert "removes schedule digest of queue mails (At 09:00, only on Monday" in refused.remarks
    assert queue.get_job_schedulers_count() == 2
    assert terminal.ok("schedule", "remove", "mails", "digest", "--yes") == "Schedule digest was removed.\n"
    assert queue.get_job_schedulers_count() == 1


def test_hostile_schedules_do_not_reach_the_terminal(
    terminal: Terminal, queue: Queue, redis_client: Any, prefix: str
) -> None:
    redis_client.hset(
        f"{prefix}:mails:repeat:digest", mapping={"name": f"[bold]{ESCAPE}", "tz": ESCAPE, "data": f'"{ESCAPE}"'}
    )
    for command in (["list"], ["show", "mails", "digest"]):
        for extra in ([], ["--json"]):
            ended = terminal.run("schedule", *command, *extra)
            assert ended.code == 0, ended
            assert not {letter for letter in ended.output + ended.remarks if not letter.isprintable()} - {"\n"}
    assert "[bold]" in terminal.ok("schedule", "show", "mails", "digest")
