"""Look at jobs, add them and act on them from the command line, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from oxmq.errors import ConfigurationError
from oxmq.sync import Queue
from tests.support.running import run_jobs
from tests.support.terminal import Terminal
from tests.support.waiting import eventually_sync

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@pytest.fixture
def terminal(redis_url: str, prefix: str) -> Terminal:
    return Terminal(redis_url, prefix)


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[Queue]:
    with Queue("mails", redis_url, prefix=prefix) as opened:
        yield opened


async def fail(job: Any) -> None:
    raise ValueError(f"no such address: {job.data.get('to', '')}")


async def succeed(job: Any) -> dict[str, bool]:
    await job.log("sending")
    await job.log("sent")
    return {"sent": True}


# ---- add ---------------------------------------------------------------------------------------------------------


def test_a_job_is_added_with_data_and_options(terminal: Terminal, queue: Queue) -> None:
    output = terminal.ok("job", "add", "mails", "welcome", '{"to": "a@b.c"}', "--id", "w-1", "--priority", "3")
    assert output == "Added job w-1 to queue mails: it is prioritized.\n"
    job = queue.get_job("w-1")
    assert job is not None
    assert (job.name, job.data, job.priority) == ("welcome", {"to": "a@b.c"}, 3)
    answer = terminal.json("job", "add", "mails", "later", "--delay", "10m", "--attempts", "4", "--backoff", "5s")
    assert answer == {"id": answer["id"], "queue": "mails", "name": "later", "state": "delayed"}
    later = queue.get_job(answer["id"])
    assert later is not None
    assert (later.data, later.delay, later.options.attempts) == ({}, 600, 4)


def test_data_comes_from_a_file_or_standard_input(terminal: Terminal, queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"from": "file ü"}', encoding="utf-8")
    terminal.ok("job", "add", "mails", "a", f"@{tmp_path / 'data.json'}", "--id", "a")
    assert terminal.run("job", "add", "mails", "b", "-", "--id", "b", typed="[1, 2]").code == 0
    read = [queue.get_job("a"), queue.get_job("b")]
    assert [job.data for job in read if job is not None] == [{"from": "file ü"}, [1, 2]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mails", "x", "{oops"], "the data must be JSON"),
        (["mails", "x", "@nosuch.json"], "cannot be read"),
        (["mails", "x", "--delay", "soon"], "delay must be a text such as"),
        (["no:queue", "x"], "queue name must not contain ':'"),
        (["mails", "x\x1b[2J"], "job name must be printable"),
    ],
)
def test_a_job_that_is_not_acceptable_is_refused_in_one_line(
    terminal: Terminal, arguments: list[str], words: str
) -> None:
    ended = terminal.run("job", "add", *arguments)
    assert ended.code == 2
    assert ended.output == ""
    assert words in ended.remarks
    assert ended.remarks.count("\n") == 1
    assert "\x1b" not in ended.remarks
    answer = terminal.run("job", "add", *arguments, "--json")
    assert (answer.code, list(answer.json)) == (2, ["error"])


def test_adding_can_wait_for_the_result(terminal: Terminal, queue: Queue, redis_url: str, prefix: str) -> None:
    # Both jobs are added, and the worker works, while the command waits.
    for handler, code in ((succeed, 0), (fail, 1)):
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(terminal.run, "job", "add", "mails", "welcome", "--wait", "20s")
            eventually_sync(lambda: queue.get_waiting_count() == 1)
            run_jobs(redis_url, prefix, "mails", handler)
            assert waiting.result(20).code == code
    late = terminal.run("job", "add", "mails", "welcome", "--wait", "0.1s")
    assert late.code == 1
    assert "was added and did not end within 0.1s" in late.remarks


# ---- list and show -----------------------------------------------------------------------------------------------


def test_jobs_of_a_state_are_listed_and_searched(terminal: Terminal, queue: Queue) -> None:
    queue.add_bulk([("welcome", {"to": f"user-{n}@example.org"}) for n in range(120)])
    queue.add("goodbye", {"to": "last@example.org"})
    output = terminal.ok("job", "list", "mails", "--limit", "5")
    assert output.count("example.org") == 5
    assert "last@example.org" in output
    everything = terminal.json("job", "list", "mails", "--limit", "1000", "--oldest")
    assert [row["data_preview"] for row in everything["jobs"]][1] == '{"to":"user-1@example.org"}'
    assert (len(everything["jobs"]), everything["total"], everything["more"]) == (121, 121, False)
    found = terminal.json("job", "list", "mails", "--search", "name:goodbye")
    assert [row["name"] for row in found["jobs"]] == ["goodbye"]
    assert terminal.ok("job", "list", "mails", "--state", "failed") == "No failed jobs.\n"


def test_a_queue_or_job_that_is_not_there_is_exit_code_1(terminal: Terminal, queue: Queue) -> None:
    queue.add("welcome")
    for arguments in (["list", "nosuch"], ["show", "mails", "nosuch"], ["logs", "mails", "nosuch"]):
        ended = terminal.run("job", *arguments)
        assert (ended.code, ended.output) == (1, "")
        assert "there is no" in ended.remarks
    assert terminal.run("job", "list", "mails", "--search", "age:>soon").code == 2
    assert terminal.run("job", "list", "mails", "--state", "happy").code == 2


def test_all_that_is_known_of_a_job_is_shown(terminal: Terminal, queue: Queue, redis_url: str, prefix: str) -> None:
    job = queue.add("welcome", {"to": "nobody"}, attempts=1)
    waiting = terminal.ok("job", "show", "mails", job.id)
    assert "waiting" in waiting
    assert f"Job {job.id} is waiting" in waiting
    run_jobs(redis_url, prefix, "mails", fail)
    output = terminal.ok("job", "show", "mails", job.id)
    for words in (
        "welcome",
        job.id,
        "failed",
        "1 of 1 made",
        "no such address: nobody",
        "ValueError",
        '"to": "nobody"',
    ):
        assert words in output
    answer = terminal.json("job", "show", "mails", job.id)
    assert (answer["state"], answer["failed_reason"]) == ("failed", "no such address: nobody")
    assert answer["added_at"].endswith("Z")


def test_a_job_can_be_watched_to_its_end(terminal: Terminal, queue: Queue, redis_url: str, prefix: str) -> None:
    job = queue.add("welcome")
    run_jobs(redis_url, prefix, "mails", succeed)
    watched = terminal.run("job", "show", "mails", job.id, "--watch")
    assert watched.code == 0
    assert "completed" in watched.output.splitlines()[0]
    assert "result" in watched.output
    bad = queue.add("welcome")
    run_jobs(redis_url, prefix, "mails", fail)
    answer = terminal.run("job", "show", "mails", bad.id, "--watch", "--json")
    assert (answer.code, answer.json["state"]) == (1, "failed")


# ---- logs --------------------------------------------------------------------------------------------------------


def test_the_log_is_printed_line_by_line(terminal: Terminal, queue: Queue) -> None:
    job = queue.add("welcome")
    for n in range(3):
        queue.add_job_log(job.id, f"line {n} [bold]{ESCAPE}")
    output = terminal.ok("job", "logs", "mails", job.id)
    assert [line[:13] for line in output.splitlines()] == [f"line {n} [bold]"[:13] for n in range(3)]
    assert "\x1b" not in output
    assert terminal.ok("job", "logs", "mails", job.id, "--tail", "1").startswith("line 2")
    answer = terminal.json("job", "logs", "mails", job.id, "--tail", "2")
    assert ([line[:6] for line in answer["lines"]], answer["total"]) == (["line 1", "line 2"], 3)
    assert terminal.run("job", "logs", "mails", job.id, "-f", "--json").code == 2


def test_a_log_is_followed_until_the_job_has_ended(
    terminal: Terminal, queue: Queue, redis_url: str, prefix: str
) -> None:
    job = queue.add("welcome")
    queue.add_job_log(job.id, "added")
    run_jobs(redis_url, prefix, "mails", succeed)
    assert terminal.ok("job", "logs", "mails", job.id, "--follow").splitlines() == ["added", "sending", "sent"]


# ---- acting ------------------------------------------------------------------------------------------------------


def test_failed_jobs_are_retried_by_id_by_search_and_all(
    terminal: Terminal, queue: Queue, redis_url: str, prefix: str
) -> None:
    jobs = queue.add_bulk([("welcome", {"to": f"user-{n}"}) for n in range(6)])
    run_jobs(redis_url, prefix, "mails", fail)
    assert terminal.ok("job", "retry", "mails", jobs[0].id) == "1 job was put back to run again.\n"
    assert terminal.json("job", "retry", "mails", "--search", "data.to:user-3")["changed"] == 1
    assert terminal.json("job", "retry", "mails", "--all", "--dry-run")["matched"] == 4
    assert queue.get_failed_count() == 4
    assert terminal.json("job", "retry", "mails", "--all")["changed"] == 4
    assert (queue.get_failed_count(), queue.get_waiting_count()) == (0, 6)


def test_a_job_in_a_wrong_state_is_told_of_with_exit_code_1(terminal: Terminal, queue: Queue) -> None:
    job = queue.add("welcome")
    ended = terminal.run("job", "retry", "mails", job.id, "nosuch")
    assert ended.code == 1
    assert job.id in ended.remarks
    assert "nosuch" in ended.remarks
    answer = terminal.run("job", "retry", "mails", job.id, "--json")
    assert (answer.code, answer.json["changed"], answer.json["skipped_count"]) == (1, 0, 1)


def test_delayed_jobs_are_promoted_and_jobs_cancelled(terminal: Terminal, queue: Queue) -> None:
    delayed = queue.add("welcome", {}, delay=600)
    terminal.ok("job", "promote", "mails", delayed.id)
    assert delayed.get_state() == "waiting"
    terminal.ok("job", "cancel", "mails", delayed.id, "--reason", "not wanted")
    cancelled = queue.get_job(delayed.id)
    assert cancelled is not None
    assert (cancelled.get_state(), cancelled.failed_reason) == ("failed", "not wanted")


def test_jobs_are_deleted_only_when_somebody_agrees(terminal: Terminal, queue: Queue) -> None:
    jobs = queue.add_bulk([("welcome", {}) for _ in range(3)])
    refused = terminal.run("job", "remove", "mails", "--state", "waiting", "--all")
    assert refused.code == 2
    assert "3 jobs" in refused.remarks
    assert "give --yes" in refused.remarks
    assert queue.get_waiting_count() == 3
    terminal.ok("job", "remove", "mails", jobs[0].id, "--yes")
    assert terminal.json("job", "remove", "mails", "--state", "waiting", "--all", "--yes")["changed"] == 2
    assert queue.get_waiting_count() == 0


def test_which_jobs_must_be_said_and_only_once(terminal: Terminal, queue: Queue) -> None:
    queue.add("welcome")
    for arguments in ([], ["a", "--all"], ["--all", "--search", "x"]):
        ended = terminal.run("job", "retry", "mails", *arguments)
        assert ended.code == 2
        assert "say which jobs to retry" in ended.remarks


# ---- hostile data ------------------------------------------------------------------------------------------------


def test_nothing_in_a_job_reaches_the_terminal_as_it_is(terminal: Terminal, queue: Queue, redis_client: Any) -> None:
    job = queue.add("welcome", {"a": f"{ESCAPE}\x9b\u202e", "[red]": "[/nonsense]"})
    fields = {
        b"name": f"[bold]{ESCAPE}".encode(), b"failedReason": ESCAPE.encode() + b"\xff\xfe",
        b"stacktrace": json.dumps([ESCAPE]).encode(), b"progress": json.dumps(ESCAPE).encode(),
        b"processedBy": ESCAPE.encode(), b"opts": b"{broken", b"parentKey": ESCAPE.encode(),
    }  # fmt: skip
    redis_client.hset(job.key, mapping=fields)
    redis_client.rpush(f"{job.key}:logs", ESCAPE, b"\xff\xfe")
    for command in (["list", "mails"], ["show", "mails", job.id], ["logs", "mails", job.id]):
        for extra in ([], ["--json"]):
            ended = terminal.run("job", *command, *extra)
            assert ended.code == 0, ended
            everything = ended.output + ended.remarks
            bad = {letter for letter in everything if not letter.isprintable() and letter != "\n"}
            assert not bad, (command, bad)
    assert "[bold]" in terminal.ok("job", "show", "mails", job.id)
    assert "[/nonsense]" in terminal.ok("job", "show", "mails", job.id)


def test_the_data_argument_is_read_before_anything_is_sent(terminal: Terminal) -> None:
    deep = "[" * 100_000
    assert terminal.run("job", "add", "mails", "x", deep).code == 2
    with pytest.raises(ConfigurationError):
        from oxmq.cli.job.adding import read_json

        read_json("{")
