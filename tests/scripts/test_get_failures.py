"""The script that reads of failed jobs what tells why they failed."""

from __future__ import annotations

from typing import Any

from oxmq.ops.lookups import FailedJob, FailuresPage, get_failures
from tests.scripts.bench import Bench, plain_hash


def fail(bench: Bench, job_id: str, at: int, **fields: Any) -> None:
    bench.client.hset(f"bull:q:{job_id}", mapping=plain_hash(finishedOn=at, **fields))
    bench.client.zadd("bull:q:failed", {job_id: at})


def page(bench: Bench, start: int = 0, count: int = 100) -> FailuresPage:
    """Read failures, and see that reading changes nothing."""
    before = bench.dump()
    read = bench.run(get_failures(bench.keys, start, count))
    assert bench.dump() == before
    return read


def test_an_empty_queue(bench: Bench) -> None:
    assert page(bench) == FailuresPage(0, 0, [])


def test_the_newest_come_first(bench: Bench) -> None:
    for number in range(5):
        fail(bench, f"j{number}", number, failedReason=f"reason {number}", stacktrace='["trace"]', name="send")
    read = page(bench, 1, 2)
    assert (read.total, read.scanned, [job.id for job in read.jobs]) == (5, 2, ["j3", "j2"])
    assert read.jobs[0] == FailedJob("j3", "send", "reason 3", '["trace"]', 3)
    assert page(bench, 5).scanned == 0


def test_a_call_reads_so_many_at_most(bench: Bench) -> None:
    for number in range(260):
        fail(bench, f"j{number}", number)
    assert page(bench, 0, 1_000).scanned == 250


def test_of_long_texts_what_matters_is_read(bench: Bench) -> None:
    fail(bench, "a", 1, failedReason="b" + "x" * 50_000, stacktrace="x" * 50_000 + "e")
    (job,) = page(bench).jobs
    assert (len(job.reason), job.reason[0], len(job.traces), job.traces[-1]) == (16_384, "b", 16_384, "e")


def test_what_is_broken_is_read_all_the_same(bench: Bench) -> None:
    fail(bench, "a", 1, failedReason=b"\xff", stacktrace=b"\xfe")
    bench.client.hset("bull:q:a", mapping={"finishedOn": "x", "name": b"\xff"})
    bench.client.set("bull:q:text", "x")
    bench.client.zadd("bull:q:failed", {"text": 2, "gone": 3})
    read = bench.run(get_failures(bench.keys, 0, 100))
    assert (read.total, read.scanned) == (3, 3)
    assert read.jobs == [FailedJob("a", "\\xff", "\\xff", "\\xfe", 0)]
