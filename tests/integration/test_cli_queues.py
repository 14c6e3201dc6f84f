"""Look at queues, hold and empty them from the command line; ask how a server is. Against a real server."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from oxmq import Worker
from oxmq.options import RateLimit
from oxmq.sync import Queue
from tests.support.running import run_jobs
from tests.support.terminal import Terminal
from tests.support.waiting import TIME_SCALE, eventually

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@pytest.fixture
def terminal(redis_url: str, prefix: str) -> Terminal:
    return Terminal(redis_url, prefix)


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[Queue]:
    """Return a queue with three jobs that wait and two that are delayed."""
    with Queue("mails", redis_url, prefix=prefix) as opened:
        opened.add_bulk([("welcome", {}), ("welcome", {}), ("urgent", {}, {"priority": 1})])
        opened.add_bulk([("later", {}, {"delay": 600}), ("later", {}, {"delay": 600})])
        yield opened


async def fail(job: Any) -> None:
    raise ValueError("no")


# ---- looking -----------------------------------------------------------------------------------------------------


def test_queues_are_listed_with_their_counts(terminal: Terminal, queue: Queue, redis_url: str, prefix: str) -> None:
    with Queue("reports", redis_url, prefix=prefix) as other:
        other.add("monthly")
        other.pause()
        output = terminal.ok("queue", "list")
    header, mails, reports = output.splitlines()
    assert header.split()[:5] == ["queue", "waiting", "active", "delayed", "failed"]
    assert mails.split()[:5] == ["mails", "3", "0", "2", "0"]
    assert "paused" in reports
    answer = terminal.json("queue", "list")
    assert [found["name"] for found in answer["queues"]] == ["mails", "reports"]
    assert answer["queues"][0]["counts"]["prioritized"] == 1
    assert answer["complete"] is True


def test_no_queues_are_no_error(terminal: Terminal) -> None:
    assert terminal.ok("queue", "list") == "There are no queues.\n"
    assert terminal.json("queue", "list")["queues"] == []


def test_one_queue_is_shown_with_its_limits(terminal: Terminal, queue: Queue) -> None:
    queue.set_global_concurrency(7)
    queue.set_global_rate_limit(RateLimit(max=50, duration=60))
    output = terminal.ok("queue", "show", "mails")
    for words in ("mails", "7 over all workers", "50 starts in 1 min", "oldest due", "prioritized"):
        assert words in output
    assert terminal.json("queue", "show", "mails")["queue"]["limits"]["concurrency"] == 7
    missing = terminal.run("queue", "show", "nosuch")
    assert (missing.code, missing.output) == (1, "")
    assert "there is no queue 'nosuch'" in missing.remarks


def test_a_narrow_terminal_is_not_overrun(terminal: Terminal, queue: Queue) -> None:
    for width in (40, 80):
        for command in (["queue", "list"], ["queue", "show", "mails"], ["job", "list", "mails"]):
            lines = terminal.ok(*command, COLUMNS=str(width)).splitlines()
            assert max(map(len, lines)) <= width, (command, width)


def test_queues_of_hostile_names_are_shown_and_kept_from_the_terminal(
    terminal: Terminal, redis_client: Any, prefix: str
) -> None:
    names = (f"[bold]{ESCAPE}".encode(), b"\xff\xfe", "\u202eevil".encode())
    metas = [b"%b:%b:meta" % (prefix.encode(), name) for name in names]
    for meta in metas:
        redis_client.hset(meta, "version", ESCAPE)
    for extra in ([], ["--json"]):
        output = terminal.ok("queue", "list", *extra)
        assert not {letter for letter in output if not letter.isprintable() and letter != "\n"}
    assert "[bold]" in terminal.ok("queue", "list")
    redis_client.delete(*metas)  # what looks after leaks can read no such names


# ---- holding -----------------------------------------------------------------------------------------------------


def test_queues_are_paused_and_resumed(terminal: Terminal, queue: Queue) -> None:
    assert terminal.ok("queue", "pause", "mails") == "Queue mails is paused.\n"
    assert queue.is_paused()
    assert terminal.json("queue", "resume", "mails") == {"queues": [{"name": "mails", "paused": False}]}
    assert not queue.is_paused()
    mistaken = terminal.run("queue", "pause", "mails", "nosuch")
    assert mistaken.code == 1
    assert not queue.is_paused()


# ---- emptying ----------------------------------------------------------------------------------------------------


def test_nothing_is_deleted_unless_somebody_agrees(terminal: Terminal, queue: Queue) -> None:
    for command in (["drain", "mails"], ["clean", "mails", "--state", "waiting"], ["obliterate", "mails"]):
        refused = terminal.run("queue", *command)
        assert refused.code == 2
        assert "mails" in refused.remarks
        assert "give --yes" in refused.remarks
        assert terminal.json("queue", *command, "--dry-run")["dry_run"] is True
    assert queue.get_job_count_by_types() == 5
    assert not queue.is_paused()


def test_a_queue_is_drained(terminal: Terminal, queue: Queue) -> None:
    assert terminal.ok("queue", "drain", "mails", "--yes") == "3 jobs were deleted.\n"
    assert terminal.json("queue", "drain", "mails", "--delayed", "--yes") == {
        "queue": "mails", "count": 2, "dry_run": False,
    }  # fmt: skip


def test_jobs_are_cleaned_by_state_and_age(terminal: Terminal, queue: Queue, redis_url: str, prefix: str) -> None:
    run_jobs(redis_url, prefix, "mails", fail)
    clean = ("queue", "clean", "mails", "--state", "failed", "--yes")
    assert terminal.json(*clean, "--older-than", "1h")["count"] == 0
    assert terminal.json(*clean, "--dry-run")["count"] == 3
    assert terminal.json(*clean, "--limit", "1")["count"] == 1
    assert terminal.ok(*clean) == "2 jobs were deleted.\n"
    assert terminal.run(*clean, "--older-than", "yesterday").code == 2


def test_a_queue_is_obliterated(terminal: Terminal, queue: Queue, redis_client: Any, prefix: str) -> None:
    assert terminal.ok("queue", "obliterate", "mails", "--yes") == "Queue mails and its 5 jobs were deleted.\n"
    assert redis_client.keys(f"{prefix}:*") == []
    assert terminal.run("queue", "obliterate", "mails", "--yes").code == 1


def test_failed_jobs_are_retried_and_delayed_ones_promoted(
    terminal: Terminal, queue: Queue, redis_url: str, prefix: str
) -> None:
    run_jobs(redis_url, prefix, "mails", fail)
    assert terminal.json("queue", "retry-failed", "mails", "--dry-run")["count"] == 3
    assert terminal.ok("queue", "retry-failed", "mails") == "3 jobs were put back to run again.\n"
    assert terminal.json("queue", "promote-delayed", "mails")["count"] == 2
    assert queue.get_waiting_count() == 5


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 1, 5), (b"y\n", 0, 2)])
def test_somebody_at_a_terminal_is_asked(
    queue: Queue, redis_url: str, prefix: str, answer: bytes, code: int, left: int
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    environment = os.environ | {"OXMQ_URL": redis_url, "OXMQ_PREFIX": prefix, "NO_COLOR": "1", "COLUMNS": "200"}
    ended = subprocess.run(
        [sys.executable, "-m", "oxmq", "queue", "drain", "mails"],
        stdin=theirs, capture_output=True, text=True, env=environment, check=False, timeout=30 * TIME_SCALE,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert ended.returncode == code, ended
    assert "deletes the jobs of queue mails that have not begun: 2 waiting, 1 prioritized" in ended.stderr
    assert queue.get_job_count_by_types() == left


# ---- health ------------------------------------------------------------------------------------------------------


def test_health_says_whether_the_server_answers_and_a_queue_is_served(
    terminal: Terminal, queue: Queue, redis_url: str, prefix: str
) -> None:
    assert "answered in" in terminal.ok("health")
    unreachable = terminal.run("health", "--url", "redis://127.0.0.1:1", "--timeout", "0.2", "--json")
    assert (unreachable.code, list(unreachable.json)) == (2, ["error"])
    assert unreachable.remarks.startswith("Error: ")
    unserved = terminal.run("health", "--queue", "mails", "--json")
    assert (unserved.code, unserved.json["queues"][0]["reason"]) == (1, "no worker serves it")

    async def ask_while_a_worker_works() -> None:
        async with Worker("mails", fail, redis_url, prefix=prefix) as worker:
            worker.start()
            await eventually(lambda: asyncio.to_thread(is_healthy), 20)
            await eventually(lambda: asyncio.to_thread(is_healthy, "--here"), 20)

    def is_healthy(*arguments: str) -> bool:
        return terminal.run("health", "--queue", "mails", *arguments).code == 0

    asyncio.run(ask_while_a_worker_works())


# ---- bench -------------------------------------------------------------------------------------------------------


def test_a_bench_measures_and_leaves_nothing_behind(terminal: Terminal, redis_client: Any, prefix: str) -> None:
    found = terminal.json("bench", "--jobs", "300", "--concurrency", "20")
    assert (found["jobs"], found["concurrency"]) == (300, 20)
    assert found["added_per_second"] > 0
    assert found["processed_per_second"] > 0
    assert 0 < found["add"]["p50"] <= found["add"]["p99"] < found["start"]["p99"] * 10
    assert redis_client.keys(f"{prefix}:*") == []
    assert "jobs/s" in terminal.ok("bench", "--jobs", "20")


# ---- completion, and what is printed where -------------------------------------------------------------------------


def complete(terminal: Terminal, words: str, **environment: str) -> list[str]:
    """Return what the shell offers after these words."""
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_OXMQ_COMPLETE": "complete_bash"}
    ended = terminal.run(**variables, **environment)
    assert ended.remarks == ""
    return ended.output.split()


def test_the_shell_completes_commands_and_names_of_queues(terminal: Terminal, queue: Queue) -> None:
    assert "retry-failed" in complete(terminal, "oxmq queue retry")
    assert complete(terminal, "oxmq queue show ma") == ["mails"]
    assert complete(terminal, "oxmq queue show ma", OXMQ_URL="redis://127.0.0.1:1") == []


def test_a_command_that_is_cut_off_by_a_pipe_ends_quietly(terminal: Terminal, queue: Queue) -> None:
    command = f"{sys.executable} -m oxmq queue list --json | head -c 1"
    ended = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=os.environ | terminal.environment, check=False,
        timeout=30,
    )  # fmt: skip
    assert ended.stdout == "{"
    assert "Traceback" not in ended.stderr


def test_without_a_server_a_command_says_what_to_do(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = Terminal("", "bull").run("queue", "list")
    assert ended.code == 2
    assert ended.remarks == "Error: there is no server here: give --url, or set OXMQ_URL\n"
    assert list(tmp_path.iterdir()) == []


def test_progress_is_drawn_on_a_terminal_only(queue: Queue, redis_url: str, prefix: str) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"OXMQ_URL": redis_url, "OXMQ_PREFIX": prefix, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "oxmq", "bench", "--jobs", "3000"],
        stdout=subprocess.PIPE, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    drawn = read_all(ours)
    output, _ = process.communicate(timeout=30 * TIME_SCALE)
    os.close(ours)
    assert b"adding" in drawn
    assert b"processing" in drawn
    assert b"jobs/s" in output
    assert b"\x1b" not in output


def read_all(descriptor: int) -> bytes:
    """Return what is written to a terminal until nobody has it open any more."""
    found = b""
    with suppress(OSError):
        while piece := os.read(descriptor, 65_536):
            found += piece
    return found
