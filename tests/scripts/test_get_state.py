"""The script that tells where a job is."""

from __future__ import annotations

import pytest

from oxmq.ops import jobs
from tests.scripts.bench import CONTAINERS, Bench, fill


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_state_is_where_the_id_is(bench: Bench, container: str) -> None:
    fill(bench)
    state = {"wait": "waiting", "paused": "waiting"}.get(container, container)
    before = bench.dump()
    assert bench.run(jobs.get_state(bench.keys, f"{container}-0")) == state
    assert bench.dump() == before


def test_a_job_that_is_nowhere_is_unknown(bench: Bench) -> None:
    assert bench.run(jobs.get_state(bench.keys, "gone")) == "unknown"
