"""The script that replaces a job's data."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError
from oxmq.ops import jobs
from tests.scripts.bench import Bench


def test_update_data_replaces_the_data_alone(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    bench.run(jobs.update_data(bench.keys, "a", b'{"new":1}'))
    assert bench.hash("a")["data"] == '{"new":1}'
    bench.client.hset("bull:q:a", "data", "{}")
    assert bench.dump() == before


def test_a_job_that_does_not_exist_is_not_made(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    with pytest.raises(JobNotFoundError, match=r"Missing key for job gone\. update_data") as caught:
        bench.run(jobs.update_data(bench.keys, "gone", b"1"))
    assert caught.value.code == -1
    assert bench.dump() == before
