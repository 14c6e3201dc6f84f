"""Log lines: one for each thing that happens to a job, for people or for programs, and the job on those of handlers."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext

from oxmq import ConfigurationError, Job, Unrecoverable
from oxmq.logs import JobFields, JsonFormatter, TextFormatter, check_level, configure_logging, one_line
from oxmq.ops.lifecycle import Outcome
from oxmq.records import JobRecord
from oxmq.running import running_job
from oxmq.telemetry import OpenTelemetry
from oxmq.worker.journal import Journal
from oxmq.worker.run import Run
from tests.integration.bed import Bed, reaches
from tests.support.processes import Process, Processes
from tests.support.waiting import eventually, eventually_sync

PATIENCE = 30.0
SECRET = "a secret that is nobody's business"
TARGET = "tests.telemetry.talkative_tasks:app"


class Lines:
    """Hold what was written about jobs."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def all(self) -> list[Any]:
        return [record for record in self._caplog.records if record.name == "oxmq.job"]

    def events(self) -> list[str]:
        return [record.event for record in self.all()]

    async def one(self, event: str) -> Any:
        return (await eventually(lambda: [record for record in self.all() if record.event == event], PATIENCE))[0]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.DEBUG, "oxmq.job")
    return Lines(caplog)


# ---- one line a job event ----------------------------------------------------------------------------------------


async def test_a_job_that_completes_is_told_of_with_its_times(bed: Bed, lines: Lines) -> None:
    async def process(_: Job[Any]) -> str:
        return SECRET

    job = await bed.queue().add("greet", {"name": SECRET})
    bed.working(process, worker_name="host-1")
    await job.result(timeout=PATIENCE)
    record = await lines.one("completed")
    assert lines.events() == ["started", "completed"]
    assert [line.levelname for line in lines.all()] == ["DEBUG", "INFO"]
    assert (record.job, record.task, record.queue, record.attempt, record.worker) == (job.id, "greet", "q", 1, "host-1")
    assert record.duration >= 0
    assert record.wait >= 0
    words = rf"job {job.id} \(greet\) of queue q completed in [\d.e-]+ s, waited [\d.]+ s"
    assert re.fullmatch(words, record.getMessage())
    assert SECRET not in " ".join(f"{vars(line)}" for line in lines.all())


async def test_the_lines_of_a_job_that_is_traced_have_its_span(bed: Bed, lines: Lines) -> None:
    seen: dict[str, str] = {}

    async def process(job: Job[Any]) -> None:
        seen[job.name] = format(trace.get_current_span().get_span_context().span_id, "016x")
        if job.name == "bad":
            raise ValueError

    queue = bed.queue()
    await queue.add_bulk([("good", {}), ("bad", {})])
    bed.working(process, telemetry=OpenTelemetry(TracerProvider()), concurrency=2)
    for event, name in (("completed", "good"), ("failed", "bad")):
        record = await lines.one(event)
        assert record.span_id == seen[name]
        assert re.fullmatch("[0-9a-f]{32}", record.trace_id)


async def test_a_failure_says_when_the_job_comes_again_and_when_it_does_not(bed: Bed, lines: Lines) -> None:
    async def process(_: Job[Any]) -> None:
        raise ValueError("no\r\nsuch \x1b[31mfile")

    job = await bed.queue().add("copy", {}, attempts=2, backoff=0.01)
    bed.working(process)
    await reaches(job, "failed", PATIENCE)
    again, last = await lines.one("retrying"), await lines.one("failed")
    reason = r"no\r\nsuch \x1b[31mfile"
    assert (again.levelname, again.attempt, again.attempts, again.delay) == ("WARNING", 1, 2, 0.01)
    assert again.getMessage() == (
        f"job {job.id} (copy) of queue q failed in attempt 1 of 2 and is run again in 0.01 s: {reason}"
    )
    assert (last.levelname, last.attempt, last.reason, last.cause) == ("ERROR", 2, reason, "error")
    assert last.getMessage() == f"job {job.id} (copy) of queue q failed for good in attempt 2: {reason}"


async def test_the_cause_of_a_failure_is_told(bed: Bed, lines: Lines) -> None:
    async def process(job: Job[Any]) -> None:
        if job.name == "bad":
            raise Unrecoverable("never")
        await asyncio.sleep(60)

    queue = bed.queue()
    late = await queue.add("late", expires=0.001)
    await eventually(lambda: time.time() > late.timestamp.timestamp() + 0.01, PATIENCE)
    worker = bed.worker(process, concurrency=4)
    slow = await queue.add("slow", timeout=0.05)
    stopped = await queue.add("stopped")
    bad = await queue.add("bad")
    worker.start()
    await reaches(stopped, "active", PATIENCE)
    worker.cancel_job(stopped.id, "not wanted")
    for job in (late, slow, stopped, bad):
        await reaches(job, "failed", PATIENCE)
    await eventually(lambda: lines.events().count("failed") == 4, PATIENCE)
    causes = {record.task: record.cause for record in lines.all() if record.event == "failed"}
    assert causes == {"late": "expired", "slow": "timeout", "stopped": "cancelled", "bad": "error"}


async def test_a_job_that_goes_back_to_the_queue_is_told_of(bed: Bed, lines: Lines) -> None:
    async def process(_: Job[Any]) -> None:
        await asyncio.sleep(60)

    job = await bed.queue().add("long")
    worker = bed.working(process)
    await reaches(job, "active", PATIENCE)
    await worker.close(grace=0)
    assert (await lines.one("handed_back")).levelname == "INFO"


async def test_a_job_whose_lock_is_gone_is_told_of(bed: Bed, lines: Lines, redis_client: Any) -> None:
    running = asyncio.Event()

    async def process(_: Job[Any]) -> None:
        running.set()
        await asyncio.sleep(60)

    job = await bed.queue().add("long")
    bed.working(process, lock_duration=0.5, stalled_interval=0.2)
    await asyncio.wait_for(running.wait(), PATIENCE)
    redis_client.delete(f"{bed.prefix}:q:{job.id}:lock")
    assert (await lines.one("lock_lost")).job == job.id
    stalled = await lines.one("stalled")
    assert (stalled.job, stalled.levelname) == (job.id, "WARNING")


def test_names_from_elsewhere_make_no_lines_of_their_own(lines: Lines) -> None:
    record = JobRecord("1\r\n2", "a\nERROR oxmq: all is lost" + "x" * 900, attempts_started=1, processed_on=5)
    run = Run(record, "token", 0.0, print)
    run.ended, run.delay = 1.0, UNSET
    journal = Journal("q", "w")
    journal.started(run)
    journal.ended(Outcome("1", "token", "completed"), run)
    journal.lost([record.id])
    for line in lines.all():
        assert line.job == r"1\r\n2"
        assert line.getMessage().isprintable()
        assert len(line.getMessage()) < 500
    assert lines.events() == ["started", "completed", "lock_lost"]


async def test_nothing_is_written_that_nobody_wants(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "oxmq.job")

    async def process(_: Job[Any]) -> None: ...

    job = await bed.queue().add("a")
    worker = bed.working(process)
    await job.result(timeout=PATIENCE)
    await worker.close()
    assert [record for record in caplog.records if record.name == "oxmq.job"] == []


def test_levels_may_change_while_a_worker_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "oxmq.job")
    journal = Journal("q", "w")
    seen = [journal.tells_ends]
    caplog.set_level(logging.INFO, "oxmq.job")
    journal.look()
    assert [*seen, journal.tells_ends, journal.tells_starts] == [False, True, False]


# ---- formats -----------------------------------------------------------------------------------------------------


def record_of(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("shop").makeRecord("shop", logging.INFO, "f.py", 1, message, arguments, None, extra=extra)


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_of_json_has_the_time_the_message_and_whatever_was_given() -> None:
    record = record_of("sold %d", 3, customer=7, level="mine")
    record.created = 1_700_000_000.5
    assert as_json(record) == {
        "time": "2023-11-14T22:13:20.500Z", "level": "INFO", "logger": "shop", "message": "sold 3", "customer": 7,
    }  # fmt: skip


def test_a_stack_is_a_field() -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        record = record_of("failed")
        record.exc_info = sys.exc_info()
    assert as_json(record)["exception"].endswith("LookupError: gone")


class Silent:
    def __repr__(self) -> str:
        raise ValueError


def ring() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    "value", ["half \ud800 of a pair", Silent(), ring(), float("nan"), {1: Silent()}, 10**30, b"\xff"]
)
def test_what_is_not_json_is_written_all_the_same(value: object) -> None:
    assert as_json(record_of("a\nb \u2028", value=value))["message"] == "a\nb \u2028"


def test_a_line_of_text_ends_with_the_job_whose_handler_wrote_it() -> None:
    record = record_of("sold", job="1\n2", task="sell", queue="q", attempt=2)
    assert TextFormatter().format(record).endswith(r" INFO shop: sold [job=1\n2 task=sell queue=q attempt=2]")
    assert TextFormatter().format(record_of("sold")).endswith(" INFO shop: sold")


async def test_the_running_job_and_the_span_are_on_every_line(bed: Bed) -> None:
    seen: list[Any] = []

    async def process(_: Job[Any]) -> None:
        span = NonRecordingSpan(SpanContext(0xA1, 0xB2, is_remote=False))
        with trace.use_span(span):
            record = record_of("within", task="its own")
            assert JobFields().filter(record)
            seen.append(record)

    job = await bed.queue().add("sell")
    bed.working(process)
    await job.result(timeout=PATIENCE)
    (record,) = seen
    assert (record.job, record.task, record.queue, record.attempt) == (job.id, "its own", "q", 1)
    assert (record.trace_id, record.span_id) == (f"{0xA1:032x}", f"{0xB2:016x}")
    assert running_job.get(None) is None
    outside = record_of("outside")
    JobFields().filter(outside)
    assert not hasattr(outside, "job")
    assert not hasattr(outside, "trace_id")


@pytest.mark.parametrize("level", ["loud", "", 0, -1, True, None, 3.5, "NOTSET"])
def test_what_is_no_level_is_refused(level: Any) -> None:
    with pytest.raises(ConfigurationError, match="job_logs must be a level of logging"):
        check_level(level, "job_logs")


def test_what_is_no_format_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='log_format must be "text" or "json"'):
        configure_logging("yaml")  # type: ignore[arg-type]  # that is the point


def test_text_from_elsewhere_becomes_one_bounded_line() -> None:
    assert one_line("a\tb\x9b\u202e") == r"a\tb\x9b\u202e"
    assert one_line("x" * 900) == "x" * 500 + "..."


# ---- processes ---------------------------------------------------------------------------------------------------


def parsed(process: Process) -> list[dict[str, Any]]:
    """Return the lines of a process, all of which must be JSON."""
    complete = process.output().rpartition("\n")[0]
    return [msgspec.json.decode(line) for line in complete.splitlines()]


async def ended(job: Job[Any]) -> None:
    async def has() -> bool:
        return await job.get_state() in ("completed", "failed")

    await eventually(has, PATIENCE, f"job {job.name} does not end")


def line_of(process: Process, message: str) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        assert process.exit_code is None, process.tail()
        return next((line for line in parsed(process) if message in line["message"]), None)

    found = eventually_sync(find, PATIENCE, f"nobody says {message!r}")
    assert found
    return found


async def test_every_line_of_a_worker_is_json(processes: Processes, bed: Bed) -> None:
    arguments = ("--health", "127.0.0.1:0", "--log-format", "json")
    process = processes.start("oxmq", "worker", TARGET, *arguments)
    queue = bed.queue("talk")
    names = ("on_the_loop", "in_a_thread", "in_a_process", "failing")
    jobs = {name: await queue.add(name, {"secret": SECRET}) for name in names}
    for job in jobs.values():
        await ended(job)
    for message, name in (("from the loop", "on_the_loop"), ("from a thread", "in_a_thread"),
                          ("from a child", "in_a_process"), ("with a stack", "in_a_process")):  # fmt: skip
        line = line_of(process, message)
        said = (line["logger"], line["job"], line["task"], line["queue"], line["attempt"])
        assert said == ("shop", jobs[name].id, name, "talk", 1)
    assert line_of(process, "from the loop")["customer"] == 7
    assert line_of(process, "with a stack")["exception"].endswith("LookupError: no such customer")
    assert line_of(process, "failed for good")["reason"].endswith(r"letters\nare too many")
    assert line_of(process, f"works {TARGET}")["health"].startswith("http://127.0.0.1:")
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert {line["event"] for line in parsed(process) if line["logger"] == "oxmq.job"} == {"completed", "failed"}
    assert SECRET not in process.output()


def test_what_keeps_a_process_from_starting_is_json_too(processes: Processes) -> None:
    worker = processes.start("oxmq", "worker", "tests.telemetry.nowhere:app", "--log-format", "json")
    assert worker.wait(PATIENCE) == 2
    (line,) = parsed(worker)
    assert line["level"] == "ERROR"
    assert "there is no module" in line["message"]


def test_the_processes_of_a_pool_and_the_dashboard_do_so_too(processes: Processes) -> None:
    pool = processes.start("oxmq", "worker", TARGET, "--processes", "2", "--log-format", "json")
    web = processes.start("oxmq", "web", "--port", "0", "--log-format", "json")
    eventually_sync(lambda: sum("works" in line["message"] for line in parsed(pool)) == 2, PATIENCE)
    assert line_of(web, "serves the dashboard")["address"].startswith("http://127.0.0.1:")
    for process in (pool, web):
        process.terminate()
        assert process.wait(PATIENCE) == 0
        parsed(process)


async def test_without_a_word_lines_are_text(processes: Processes, bed: Bed) -> None:
    process = processes.start("oxmq", "worker", TARGET)
    job = await bed.queue("talk").add("on_the_loop", {"secret": SECRET})
    await job.result(timeout=PATIENCE)
    await eventually(lambda: "completed in" in process.output(), PATIENCE)
    assert re.search(
        rf"WARNING shop: from the loop \[job={job.id} task=on_the_loop queue=talk attempt=1\]\n", process.output()
    )
    assert re.search(
        rf" INFO oxmq\.job: job {job.id} \(on_the_loop\) of queue talk completed in .*\n", process.output()
    )
    process.terminate()
    assert process.wait(PATIENCE) == 0
