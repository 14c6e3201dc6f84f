"""The script that notes how far a job has come."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError
from oxmq.ops import jobs
from tests.scripts.bench import Bench


def test_update_progress_stores_it_and_tells(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump("events", "a")
    bench.forget_events()
    bench.run(jobs.update_progress(bench.keys, "a", b'{"done":5}'))
    assert bench.hash("a")["progress"] == '{"done":5}'
    assert bench.events() == ['progress jobId=a data={"done":5}']
    assert bench.dump("events", "a") == before


def test_progress_is_capped_in_the_stream(bench: Bench) -> None:
    bench.add("a")
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 5)
    for number in range(250):
        bench.run(jobs.update_progress(bench.keys, "a", str(number).encode()))
    assert bench.client.xlen("bull:q:events") < 150


def test_a_job_that_does_not_exist_is_not_made(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    with pytest.raises(JobNotFoundError, match=r"Missing key for job gone\. update_progress") as caught:
        bench.run(jobs.update_progress(bench.keys, "gone", b"1"))
    assert caught.value.code == -1
    assert bench.dump() == before
