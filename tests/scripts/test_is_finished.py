"""The script that tells how a job ended."""

from __future__ import annotations

from oxmq.ops import jobs
from tests.scripts.bench import Bench


def test_how_a_job_ended(bench: Bench) -> None:
    bench.start("a", "b", "c")
    bench.finish(bench.complete("a", value=b'{"x":1}'), bench.fail("b", reason="no"))
    assert bench.run(jobs.is_finished(bench.keys, "a")) == jobs.Ended(value=b'{"x":1}')
    assert bench.run(jobs.is_finished(bench.keys, "b")) == jobs.Ended(reason="no")


def test_of_one_that_has_not_ended_the_newest_event_is_told(bench: Bench) -> None:
    bench.add("a")
    newest = bench.client.xinfo_stream("bull:q:events")["last-generated-id"]
    assert bench.run(jobs.is_finished(bench.keys, "a")) == newest
    bench.forget_events()
    assert bench.run(jobs.is_finished(bench.keys, "a")) == "0-0"


def test_an_ending_without_a_word_is_one_all_the_same(bench: Bench) -> None:
    bench.start("a", "b")
    bench.finish(bench.complete("a"), bench.fail("b"))
    bench.client.hdel("bull:q:a", "returnvalue")
    bench.client.hdel("bull:q:b", "failedReason")
    assert bench.run(jobs.is_finished(bench.keys, "a")) == jobs.Ended(value=b"null")
    assert bench.run(jobs.is_finished(bench.keys, "b")) == jobs.Ended(reason="")
