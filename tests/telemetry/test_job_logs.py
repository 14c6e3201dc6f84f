"""What a handler logs goes to its job's log: from the loop, threads and child processes, in order, within bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from oxmq import ConfigurationError, Job, Oxmq, Worker
from oxmq.scripts import SCRIPTS
from oxmq.worker import job_logs
from oxmq.worker.job_logs import Lines
from tests.integration.bed import Bed, reaches
from tests.support.processes import Processes
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually

PATIENCE = 30.0
log = logging.getLogger("shop")


@pytest.fixture(autouse=True)
def logging_is_left_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    yield
    assert (root.level, root.handlers) == before


def messages(rows: list[str]) -> list[str]:
    return [row.partition("Z ")[2] for row in rows]


async def test_lines_are_there_when_the_job_ends_in_order(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None:
        for number in range(300):
            log.info("line %d", number)
        log.debug("too little")

    job = await bed.queue().add("a")
    bed.working(process, job_logs="INFO")
    await job.result(timeout=PATIENCE)
    assert messages(await job.get_logs()) == [f"INFO shop: line {number}" for number in range(300)]


async def test_each_job_gets_its_own_lines(bed: Bed) -> None:
    async def process(job: Job[Any]) -> None:
        for number in range(3):
            log.warning("%s %d", job.name, number)
            await asyncio.sleep(0)

    queue = bed.queue()
    jobs = [await queue.add(name) for name in "abcdef"]
    bed.working(process, job_logs=logging.WARNING, concurrency=6)
    for job in jobs:
        await job.result(timeout=PATIENCE)
        assert messages(await job.get_logs()) == [f"WARNING shop: {job.name} {number}" for number in range(3)]


async def test_lines_of_threads_go_there_too_and_show_while_the_job_runs(bed: Bed) -> None:
    app = bed.app(job_logs="info")
    gate = asyncio.Event()

    @app.task
    def in_a_thread() -> None:
        log.info("from a thread")

    @app.task
    async def slow() -> None:
        log.info("begun")
        await gate.wait()

    async with bed.working_app(app):
        thread, running = await in_a_thread.enqueue(), await slow.enqueue()
        await thread.result(timeout=PATIENCE)
        assert messages(await thread.get_logs()) == ["INFO shop: from a thread"]

        async def is_shown() -> bool:
            return bool(await running.get_logs())

        await eventually(is_shown, PATIENCE)
        assert messages(await running.get_logs()) == ["INFO shop: begun"]
        gate.set()
        await running.result(timeout=PATIENCE)
        assert len(await running.get_logs()) == 1


async def test_lines_of_child_processes_go_there_too(bed: Bed, redis_url: str, prefix: str, tmp_path: Any) -> None:
    environment = {"OXMQ_URL": redis_url, "OXMQ_TEST_PREFIX": prefix, "OXMQ_TEST_JOB_LOGS": "INFO"}
    with Processes(tmp_path, environment) as processes:
        process = processes.start("oxmq", "worker", "tests.telemetry.talkative_tasks:app")
        job = await bed.queue("talk").add("in_a_process", {"secret": "x"})
        await job.result(timeout=PATIENCE)
        first, second, third = await job.get_logs()
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert messages([first, second]) == ["INFO shop: quiet words of a child", "WARNING shop: from a child"]
    assert third.splitlines()[0].endswith("ERROR shop: with a stack")
    assert third.endswith("LookupError: no such customer")
    # What hears lines besides hears what it would have heard.
    assert "quiet words" not in process.output()
    assert "from a child" in process.output()


async def test_a_job_that_fails_has_its_lines(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None:
        log.error("about to fail")
        raise ValueError

    job = await bed.queue().add("a")
    bed.working(process, job_logs="INFO")
    await reaches(job, "failed", PATIENCE)
    assert messages(await job.get_logs()) == ["ERROR shop: about to fail"]


async def test_our_own_lines_go_to_no_job(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None:
        for name in ("oxmq", "oxmq.worker", "redis.client"):
            logging.getLogger(name).critical("not this one")
        logging.getLogger("oxmqer").critical("this one")

    job = await bed.queue().add("a")
    bed.working(process, job_logs="INFO")
    await job.result(timeout=PATIENCE)
    assert messages(await job.get_logs()) == ["CRITICAL oxmqer: this one"]


async def test_too_many_lines_are_dropped_and_counted(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "_MOST_WAITING", 5)

    async def process(_: Job[Any]) -> None:
        for number in range(12):
            log.info("%d", number)

    job = await bed.queue().add("a")
    bed.working(process, job_logs="INFO")
    await job.result(timeout=PATIENCE)
    *kept, last = await job.get_logs()
    assert messages(kept) == [f"INFO shop: {number}" for number in range(5)]
    assert last.startswith("(7 more lines were dropped")


def test_a_run_has_only_so_many_lines_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_logs, "_MOST", 3)
    woken: list[None] = []
    lines = Lines(logging.INFO, lambda: woken.append(None))
    for row in ("a", "b"):
        lines.add(row)
    assert lines.take() == ["a", "b"]
    for row in ("c", "d", "e"):
        lines.add(row)
    row, dropped = lines.take()
    assert row == "c"
    assert dropped.startswith("(2 more")
    assert len(woken) == 2
    lines.close()
    lines.add("f")
    assert lines.take() == []


async def test_hostile_lines_are_written_as_text_of_a_bounded_length(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None:
        log.info("half \ud800 of a pair")
        log.info("x" * 100_000)

    job = await bed.queue().add("a")
    bed.working(process, job_logs="INFO")
    await job.result(timeout=PATIENCE)
    first, second = await job.get_logs()
    assert first.endswith(r"half \ud800 of a pair")
    assert len(second) < 4_100


async def test_others_hear_what_they_would_have_heard(bed: Bed) -> None:
    heard: list[str] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    async def process(_: Job[Any]) -> None:
        log.info("info of a logger without a level")
        logging.getLogger("chatty").info("info of a logger that is to say it")
        log.warning("warning")

    handler = Note()
    logging.getLogger().addHandler(handler)
    logging.getLogger("chatty").setLevel("INFO")
    try:
        job = await bed.queue().add("a")
        worker = bed.working(process, job_logs="INFO")
        await job.result(timeout=PATIENCE)
        await worker.close()
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("chatty").setLevel(logging.NOTSET)
    assert heard == ["info of a logger that is to say it", "warning"]
    assert len(await job.get_logs()) == 3


async def test_lines_that_cannot_be_written_keep_no_job_from_ending(bed: Bed, redis_url: str) -> None:
    async def process(_: Job[Any]) -> str:
        log.info("said into the wind")
        return "done"

    async with FaultProxy(redis_url) as proxy:
        proxy.swallow_reply(f"EVALSHA {SCRIPTS['add_log'].sha}")
        job = await bed.queue().add("a")
        worker = Worker("q", process, proxy.url, prefix=bed.prefix, job_logs="INFO")
        worker.start()
        assert await job.result(timeout=PATIENCE) == "done"
        await worker.close()
        assert proxy.fired["swallow_reply"] == 1


@pytest.mark.parametrize("level", ["loud", 0, True])
async def test_what_is_no_level_is_refused(bed: Bed, level: Any) -> None:
    async def process(_: Job[Any]) -> None: ...

    with pytest.raises(ConfigurationError, match="job_logs must be a level"):
        bed.worker(process, job_logs=level)
    with pytest.raises(ConfigurationError, match="job_logs must be a level"):
        Oxmq(job_logs=level)


async def test_a_worker_of_an_application_has_the_applications_level(bed: Bed) -> None:
    app = bed.app()

    @app.task
    def task() -> None: ...

    with pytest.raises(ConfigurationError, match="job_logs is an option of Oxmq"):
        app.worker(job_logs="INFO")
